"""Types and subtypes of ESP-IDF's partitions. Source: ESP-IDF 5.x, partition_table/gen_esp32part.py."""

APP = 0x00
DATA = 0x01
FACTORY = 0x00  # subtypes of APP
OTA_0 = 0x10
OTA_MAX = 16
OTADATA = 0x00  # subtypes of DATA
PHY = 0x01
NVS = 0x02
FAT = 0x81
