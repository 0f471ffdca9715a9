"""float32 <-> int8 in integer arithmetic on the bits: exact, the same everywhere, no float objects.

`io` is an io.BytesIO standing at the first float32; `word` is an array('H') of two to work in: its
halves stay small ints.
`scales`: offset in `buf` of n shifts (int8) and n zero points (int16), 0 if one serves all.
"""


def signed(byte):
    """A byte 0..255 (or an int8 already) as -128..127."""
    return ((byte & 255) ^ 128) - 128


def quantize(io, word, y, mask, shift, zero_point, buf, scales):
    """y[i] = saturate(round(x * 2**shift) + zero_point), halves away from zero; NaN is 0.0."""
    n = len(y)
    for i in range(n):
        if scales:
            at = scales + n + 2 * i
            shift = signed(buf[scales + i])
            zero_point = buf[at] | signed(buf[at + 1]) << 8
        io.readinto(word)
        top = word[1]
        down = 150 - (top >> 7 & 255) - shift
        if 0 < down < 25:
            q = ((top & 127 | 128) << 16 | word[0]) + (1 << down - 1) >> down
        elif down > 0 or (top & 0x7FFF) + (word[0] > 0) > 0x7F80:  # a NaN
            q = 0
        else:
            q = 1 << 23  # beyond any zero point: saturates
        if top > 0x7FFF:
            q = -q
        q += zero_point
        if q > 127:
            q = 127
        elif q < -128:
            q = -128
        y[i] = q & mask


def dequantize(x, io, word, shift, zero_point, buf, scales):
    """Write (x[i] - zero_point) * 2**-shift as float32 to io. x: a view of the arena."""
    n = len(x)
    for i in range(n):
        if scales:
            at = scales + n + 2 * i
            shift = signed(buf[scales + i])
            zero_point = buf[at] | signed(buf[at + 1]) << 8
        d = ((x[i] & 255) ^ 128) - 128 - zero_point
        word[0] = word[1] = 0
        if d:
            exponent = 142 - shift
            if d < 0:
                d = -d
                exponent += 256  # the sign
            while d < 256:
                d <<= 8
                exponent -= 8
            while d < 0x8000:
                d <<= 1
                exponent -= 1
            word[0] = (d & 255) << 8
            word[1] = exponent << 7 | d >> 8 & 127
        io.write(word)
