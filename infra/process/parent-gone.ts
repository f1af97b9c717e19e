/**
 * Calls `tell` once when the process that started this one is gone, however it ended: the channel between the two
 * closes with it. Never calls it in a process that was started without such a channel, by a shell or a container.
 */
export function onParentGone(tell: () => void): void {
  if (process.connected) {
    process.once('disconnect', tell);
    // A process that has nothing left to do ends although its parent lives.
    process.channel?.unref();
  } else if (process.connected === false) {
    // It went while this process was still loading, and nobody listened.
    queueMicrotask(tell);
  }
}
