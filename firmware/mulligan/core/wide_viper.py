"""Weights spread over all values, of ``entropy``, as machine code: beside ``entropy_viper``, which says more."""

import micropython


@micropython.viper
def wide(node: int, p: int, bound: int, state: ptr32, probs: ptr16, data: ptr8, target: ptr8, to: int, count: int,
         base: int) -> int:  # fmt: skip
    span = state[0]
    code = state[1]
    pos = state[2]
    end = state[3]
    limit = state[4]
    done = 0
    while done < count and pos <= limit:
        node = base + 1
        while node < base + 16:
            p = probs[node]
            bound = (span >> 12) * (p >> 4)
            if code < bound:
                span = bound
                probs[node] = p + (65535 - p >> 5)
                node += node - base
            else:
                code -= bound
                span -= bound
                probs[node] = p + (31 - p >> 5)
                node += node - base + 1
            while span < 0x800000:
                span <<= 8
                code <<= 8
                if pos < end:
                    code |= data[pos]
                pos += 1
        span >>= 4
        p = code // span
        if p > 15:  # in a damaged stream
            p = 15
            code = (span << 4) - 1
        code -= p * span
        target[to + done] = node - base << 4 | p
        done += 1
        while span < 0x800000:
            span <<= 8
            code <<= 8
            if pos < end:
                code |= data[pos]
            pos += 1
    state[0] = span
    state[1] = code
    state[2] = pos
    return done
