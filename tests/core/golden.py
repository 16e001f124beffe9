"""Golden bytes: one example of each format in docs/SPEC.md, which no change may alter while its version number stays.

They were put together with struct, zlib and cryptography alone, without a line of Mulligan, so that an error in our encoders
cannot hide in them. test_golden.py says what each one holds.
"""

from binascii import unhexlify

# 64 bytes, x then y: the public key that signed TOKEN.
PUBLIC_KEY = unhexlify(
    "2733cb0535581cf291a4fe0d42d3cd2cd971fb64942ced92942d215bccaced919da448ac9a02a853bf8ddc822e67bb485c1999e18d31d7b1217ca89a"
    "c3b4dc40"
)

KEY_SET = unhexlify(
    "4d4b455901010000633837666332316531376264000000002733cb0535581cf291a4fe0d42d3cd2cd971fb64942ced92942d215bccaced919da448ac"
    "9a02a853bf8ddc822e67bb485c1999e18d31d7b1217ca89ac3b4dc407bd41c2e"
)

# The rest of a record's 1,024 bytes is FF.
RECORD = unhexlify(
    "4d4a0101070000000500000080e14e68020000016469676974730000000000000000000004000000bf7a000004000000312e302e3000000000000000"
    "0000000000000000000000001111111111111111111111111111111111111111111111111111111111111111c07a000006000000312e312e302d7263"
    "2e310000000000000000000000000000222222222222222222222222222222222222222222222222222222222222222206000000a00f0000d0070000"
    "60ea00000e0002003333333333333333ffffffffffffffffffffffffffffffffffffffffffffffff9767649d"
)

SLOT_IMAGE = unhexlify(
    "4d534c54010102009a000000000200006000000014000000800000000400000002000000900000000600020064696769747300000000000000000000"
    "312e302e3000000000000000000000000000000000000000ce3781d300000000000000001c00000054464c33000102030405060708090a0b00000000"
    "0000000000000000010203047f800000fffefdfc807fffff796573006e6f03000900"
)

# Against 6,000 bytes, byte i being (7 * i + i // 256) mod 256.
PATCH = unhexlify(
    "4d50415401010c0070170000e8130000ff4f94c7b0fed4018d1be7b728199483b65bc89daa55b49d7eba25086028b35ea54b3c570b180fe6c7acbf33"
    "70920aa11d00ccd29fc25a33ee56acc844acbb5da2eb5bd027000000fceb7041070000003d51f8a463dc217e8291813751a13835393f2f45a13823bf"
    "84e905fb657de651300a46c1b0078cc19b0500637cc13ec10f00"
)

PATCH_INDEX = (
    b'[{"base":"ERERERERERERERERERERERERERERERERERERERERERE","sha256":"IiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiI","size":3'
    b"557}]"
)

PAYLOAD = (
    b'{"artifacts":[{"counter":6,"full":{"sha256":"IiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiI","size":25060},"health":{"att'
    b'empts":2,"correct":14,"deadline_ms":4000,"latency_us":60000,"watchdog_ms":2000},"name":"digits","patches":{"sha256":"r'
    b't560puVI3XThxoYLsMc-y-3Olsiy4WxhxTQTnkFKbc","size":123},"plane":"model","requires":{"firmware":"1.23.0"},"sha256":"ERE'
    b'RERERERERERERERERERERERERERERERERERERERE","size":31423,"version":"1.1.0"}],"boards":["virtual"],"boot_ms":1500,"expire'
    b's":1790000000,"issued":1750000000,"mulligan":1,"release":"1.1.0","sequence":6}'
)

TOKEN = (
    b"eyJhbGciOiJFUzI1NiIsImtpZCI6ImM4N2ZjMjFlMTdiZCJ9.eyJhcnRpZmFjdHMiOlt7ImNvdW50ZXIiOjYsImZ1bGwiOnsic2hhMjU2IjoiSWlJaUlpS"
    b"WlJaUlpSWlJaUlpSWlJaUlpSWlJaUlpSWlJaUlpSWlJaUlpSSIsInNpemUiOjI1MDYwfSwiaGVhbHRoIjp7ImF0dGVtcHRzIjoyLCJjb3JyZWN0IjoxNCw"
    b"iZGVhZGxpbmVfbXMiOjQwMDAsImxhdGVuY3lfdXMiOjYwMDAwLCJ3YXRjaGRvZ19tcyI6MjAwMH0sIm5hbWUiOiJkaWdpdHMiLCJwYXRjaGVzIjp7InNoY"
    b"TI1NiI6InJ0NTYwcHVWSTNYVGh4b1lMc01jLXktM09sc2l5NFd4aHhUUVRua0ZLYmMiLCJzaXplIjoxMjN9LCJwbGFuZSI6Im1vZGVsIiwicmVxdWlyZXM"
    b"iOnsiZmlybXdhcmUiOiIxLjIzLjAifSwic2hhMjU2IjoiRVJFUkVSRVJFUkVSRVJFUkVSRVJFUkVSRVJFUkVSRVJFUkVSRVJFUkVSRSIsInNpemUiOjMxN"
    b"DIzLCJ2ZXJzaW9uIjoiMS4xLjAifV0sImJvYXJkcyI6WyJ2aXJ0dWFsIl0sImJvb3RfbXMiOjE1MDAsImV4cGlyZXMiOjE3OTAwMDAwMDAsImlzc3VlZCI"
    b"6MTc1MDAwMDAwMCwibXVsbGlnYW4iOjEsInJlbGVhc2UiOiIxLjEuMCIsInNlcXVlbmNlIjo2fQ.F2BOHu6yS5_roIMmT06mM5qTDQDbk5gXopq2b0W0yM"
    b"KXWbyx1ll31AxQlLfUeo10KYfdLEu5tr6VYrWkbN4OtA"
)
