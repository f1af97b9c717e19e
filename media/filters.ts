export type FilterName = 'clarendon' | 'gingham' | 'moon' | 'lark' | 'juno';

export const FILTER_NAMES: readonly FilterName[] = ['clarendon', 'gingham', 'moon', 'lark', 'juno'];

/** `out = matrix · (r, g, b) + offset`, on sRGB values from 0 to 255, cut off at both ends. */
export interface ColourOperation {
  readonly matrix: readonly [Row, Row, Row];
  readonly offset: Row;
}

type Row = readonly [number, number, number];

/** Rec. 709 weights of how bright red, green and blue look. */
const LUMA: Row = [0.2126, 0.7152, 0.0722];

const IDENTITY: ColourOperation = {
  matrix: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  offset: [0, 0, 0],
};

/** The colour operation of a filter. It is the same for every pixel, wherever it lies. */
export function filterOperation(name: FilterName): ColourOperation {
  switch (name) {
    case 'clarendon':
      return clarendon();
    case 'gingham':
      return gingham();
    case 'moon':
      return moon();
    case 'lark':
      return lark();
    case 'juno':
      return juno();
    default:
      return name satisfies never;
  }
}

/** Clarendon, bright and cool: `saturate 1.35`, then `contrast 1.2`, then `tint (127, 187, 227) by 0.1`. */
function clarendon(): ColourOperation {
  return inOrder(saturate(1.35), contrast(1.2), tint([127, 187, 227], 0.1));
}

/** Gingham, faded and hazy: `saturate 0.7`, then `contrast 0.85`, then `tint (230, 230, 250) by 0.12`. */
function gingham(): ColourOperation {
  return inOrder(saturate(0.7), contrast(0.85), tint([230, 230, 250], 0.12));
}

/** Moon, black and white: `saturate 0`, then `contrast 1.1`, then `scale all by 1.08`. */
function moon(): ColourOperation {
  return inOrder(saturate(0), contrast(1.1), scale([1.08, 1.08, 1.08]));
}

/** Lark, airy: `scale (1.08, 1.08, 1.12)`, then `contrast 0.92`, then `saturate 1.15`, then `lift 10`. */
function lark(): ColourOperation {
  return inOrder(scale([1.08, 1.08, 1.12]), contrast(0.92), saturate(1.15), lift(10));
}

/** Juno, warm: `scale (1.08, 1.03, 0.9)`, then `saturate 1.25`, then `contrast 1.08`. */
function juno(): ColourOperation {
  return inOrder(scale([1.08, 1.03, 0.9]), saturate(1.25), contrast(1.08));
}

/** `out = luma + amount · (in − luma)`: 0 is grey, 1 changes nothing. */
function saturate(amount: number): ColourOperation {
  const row = (channel: number): Row =>
    mapRow(LUMA, (weight, index) => (1 - amount) * weight + (index === channel ? amount : 0));
  return { matrix: [row(0), row(1), row(2)], offset: [0, 0, 0] };
}

/** `out = (in − 128) · amount + 128`. */
function contrast(amount: number): ColourOperation {
  const shift = 128 * (1 - amount);
  return { ...scale([amount, amount, amount]), offset: [shift, shift, shift] };
}

/** `out = in · (1 − amount) + colour · amount`. */
function tint(colour: Row, amount: number): ColourOperation {
  return { ...scale([1 - amount, 1 - amount, 1 - amount]), offset: mapRow(colour, (value) => value * amount) };
}

/** `out = in · factor`, per channel. */
function scale([red, green, blue]: Row): ColourOperation {
  return {
    matrix: [
      [red, 0, 0],
      [0, green, 0],
      [0, 0, blue],
    ],
    offset: [0, 0, 0],
  };
}

/** `out = in + amount`. */
function lift(amount: number): ColourOperation {
  return { ...IDENTITY, offset: [amount, amount, amount] };
}

/** Folds steps into one matrix and offset, so that nothing is cut off or rounded between them. */
function inOrder(...steps: readonly ColourOperation[]): ColourOperation {
  return steps.reduce(
    (before, { matrix, offset }) => ({
      matrix: [combine(matrix[0], before.matrix), combine(matrix[1], before.matrix), combine(matrix[2], before.matrix)],
      offset: [
        offset[0] + dot(matrix[0], before.offset),
        offset[1] + dot(matrix[1], before.offset),
        offset[2] + dot(matrix[2], before.offset),
      ],
    }),
    IDENTITY,
  );
}

function combine(row: Row, [red, green, blue]: ColourOperation['matrix']): Row {
  return mapRow(row, (_, column) => dot(row, [red[column] ?? 0, green[column] ?? 0, blue[column] ?? 0]));
}

function dot(a: Row, b: Row): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

function mapRow(row: Row, change: (value: number, index: number) => number): Row {
  return [change(row[0], 0), change(row[1], 1), change(row[2], 2)];
}
