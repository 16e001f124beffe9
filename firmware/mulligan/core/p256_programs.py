"""Programs of p256_field: what is done with points in `p256_sum`, `p256_comb` and `p256_check`, which name the sources."""

START = b"x=in0 y=in1 z=i+o ."
DOUBLE = (
    b"d=z*z g=y*y b=x*g e=x-d d=x+d a=d*e a=a+a1"  # a = 3·(x - z²)·(x + z²)
    b"b=o+b2x=a*a x=x-b1z=y*z z=z+z "  # b = 4·x·y², x = a² - 2·b, z = 2·y·z
    b"b=b-x y=a*b g=g*g y=y-g3."  # y = a·(b - x) - 8·y⁴
)
# The point (u, v) is added; b and d are what it has more in x and y, over z² and z³.
LOAD = b"u=in0 v=in1 "
NEGATE = b"v=o-v "
_LOADED = (
    b"a=z*z b=u*a a=a*z a=a*v d=a-y b!b-x "
    b"e=b*b f=b*e g=x*e x=d*d x=x-f x=x-g1g=g-x g=d*g f=y*f y=g-f z=z*b ."
)
ADD = LOAD + _LOADED
SUBTRACT = LOAD + NEGATE + _LOADED
OPPOSITE = b"d!d+o ."
HAS_X = b"a=in0 a=a*k b=z*z a=a*b a?a-x ."

LOAD_POINT = LOAD + b"."
LOAD_NEGATIVE = LOAD + NEGATE + b"."
TAKE = b"x=u+o y=v+o ."
# (x, y) becomes (x, y) + (u, v); input 0 is the slope l = (v - y) / (u - x), which any number would pass for if u were x.
ADD_BY_SLOPE = b"l=in0 e!u-x e=l*e d=v-y e?e-d w=l*l w=w-x w=w-u e=x-w e=l*e y=e-y x=w+o ."
# (x, y) becomes ((x, y) + (u, v)) + (x, y). Input 1 is the sum m of both slopes, which is 2·y / (x - w), where w is the x
# coordinate between. Its y coordinate is not needed (Eisenträger, Lauter and Montgomery, 2003).
TWICE_AND_ADD = (
    b"l=in0 e!u-x e=l*e d=v-y e?e-d w=l*l w=w-x w=w-u "
    b"m=in1 e=x-w e=m*e e?e-y1m=m-l "
    b"u=m*m u=u-x u=u-w e=x-u e=m*e y=e-y x=u+o ."
)
IS_X = b"a=in0 a=a*k a?a-x ."

KEEP = b"p=x+o q=y+o r=z+o ."
GO_BACK = b"x=p+o y=q+o z=r+o ."
IS_POINT = LOAD + b"a=z*z b=u*a b?b-x a=a*z a=a*v a?a-y ."
