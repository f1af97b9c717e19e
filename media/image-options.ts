import type { FilterName } from './filters.ts';
import type { VariantFormat, VariantName } from './variants.ts';

export interface ImageOptions {
  /** What the uploader said the file is; other content is refused. */
  readonly declaredType?: string;
  readonly filter?: FilterName;
  /** Which sizes to make. Default: all five. */
  readonly sizes?: readonly VariantName[];
  /** Default: WebP. */
  readonly format?: VariantFormat;
  /** `reduced` trades quality for time when the backlog is long. Default: `normal`. */
  readonly quality?: 'normal' | 'reduced';
  /** Default: true. */
  readonly blurhash?: boolean;
}
