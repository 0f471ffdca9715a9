"""float32 <-> int8 in integer arithmetic on the bits: exact, the same everywhere, no float objects.

`io` is an io.BytesIO standing at the first float32; `word` is a bytearray(4) to work in.
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
        exponent = (word[3] & 127) << 1 | word[2] >> 7
        mantissa = (word[2] | 128) << 16 | word[1] << 8 | word[0]
        down = 150 - exponent - shift
        if down > 24 or (exponent == 255 and mantissa > 0x800000):
            q = 0
        elif down < 1:
            q = 1 << 23  # beyond any zero point: saturates
        else:
            q = (mantissa + (1 << (down - 1))) >> down
        if word[3] > 127:
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
    word[0] = 0
    for i in range(n):
        if scales:
            at = scales + n + 2 * i
            shift = signed(buf[scales + i])
            zero_point = buf[at] | signed(buf[at + 1]) << 8
        d = signed(x[i]) - zero_point
        sign = 0
        if d < 0:
            d = -d
            sign = 128
        if d:
            d <<= 7
            exponent = 143 - shift
            while d < 0x800000:
                d <<= 1
                exponent -= 1
            word[1] = d >> 8 & 255
            word[2] = (exponent & 1) << 7 | d >> 16 & 127
            word[3] = sign | exponent >> 1
        else:
            word[1] = word[2] = word[3] = 0
        io.write(word)
