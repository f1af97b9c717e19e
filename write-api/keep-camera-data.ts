import { CameraConsent } from '../domain/media-file.ts';

/** The owner's say about camera data, wherever a file comes in. */
export const KeepCameraData = CameraConsent.optional().meta({
  description:
    'What may be kept of what the camera wrote into the file: `camera` (the default) is its date and model, `camera_and_location` the place as well. Nothing of it is ever served inside the picture',
});
