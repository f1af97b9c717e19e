/** The part that is used of a package that comes without types. */
declare module 'fs-native-extensions' {
  /** Locks a file for whoever has it open through this descriptor; false while another descriptor has it locked. */
  export function tryLock(descriptor: number): boolean;
}
