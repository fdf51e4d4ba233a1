"""Pictures and windows of frames of shapes that move, to see that built-in weights restore."""

import cv2
import numpy as np
import torch


def shapes(*, width):
    """Rectangles and circles of many colours, (160, width, 3) in [0, 1]."""
    random, picture = np.random.default_rng(2), np.full((160, width, 3), 0.5, np.float32)
    for _ in range(60):
        colour, x, y, side = random.random(3).tolist(), *(int(value) for value in random.integers(4, (192, 160, 24)))
        cv2.rectangle(picture, (x, y), (x + side, y + side // 2 + 2), colour, -1)
        cv2.circle(picture, (y, x), side // 2, colour[::-1], -1)
    return picture


def gains_on_moving_shapes(net, *, step, lengths):
    """Gain in dB of a video network in the middle of a window in which the shapes move by `step` pixels a frame, and with copies of the middle frame."""
    sharp, middle = shapes(width=224), len(lengths) // 2

    def blurred(place, length):
        light = np.mean([np.roll(sharp**2.2, place * step + shift - length // 2, axis=1) for shift in range(length)], axis=0)
        return torch.from_numpy(light ** (1 / 2.2)).permute(2, 0, 1).float()

    frames = [blurred(number - middle, length) for number, length in enumerate(lengths)]
    with torch.inference_mode():
        restored = [net(torch.stack(each)[None])[0] for each in (frames, [frames[middle]] * len(frames))]
    truth = torch.from_numpy(sharp).permute(2, 0, 1)
    before, *after = (float((each - truth)[:, 16:-16, 32:-32].square().mean()) for each in (frames[middle], *restored))
    return [10 * np.log10(before / each) for each in after]
