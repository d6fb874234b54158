// Left: what slots leave of a picture, each drawn as the mean of the patches that it stands for, pixel by pixel.

/**
 * Per patch the mean of the pixels of all patches in the same slot, where that is a slot of the picture; null elsewhere.
 * @param {ArrayLike<number>[]} pixels
 * @param {number[]} at
 * @param {(owner: number) => boolean} isOfPicture
 */
export function slotPixels(pixels, at, isOfPicture) {
  /** @type {Map<number, { sum: Float32Array, count: number }>} */
  const slots = new Map();
  at.forEach((owner, patch) => {
    if (owner < 0 || !isOfPicture(owner)) return;
    const slot = slots.get(owner) ?? { sum: new Float32Array(pixels[patch].length), count: 0 };
    for (let i = 0; i < slot.sum.length; i++) slot.sum[i] += pixels[patch][i];
    slot.count++;
    slots.set(owner, slot);
  });
  slots.forEach(({ sum, count }) => { for (let i = 0; i < sum.length; i++) sum[i] /= count; });
  return at.map((owner) => slots.get(owner)?.sum ?? null);
}
