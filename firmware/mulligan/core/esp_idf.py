"""Numbers of ESP-IDF 5.x. Source: partition_table/gen_esp32part.py; bootloader_support/include/esp_flash_partitions.h."""

APP = 0x00
DATA = 0x01
FACTORY = 0x00  # subtypes of APP
OTA_0 = 0x10
OTA_MAX = 16
OTADATA = 0x00  # subtypes of DATA
PHY = 0x01
NVS = 0x02
FAT = 0x81

SECTOR = 0x1000  # otadata: two, each with an entry at its start
PARTITION_SIZE = 0x2000
ENTRY_SIZE = 32
NO_SEQ = 0xFFFFFFFF  # of a blank entry
NEW = 0  # states of an entry
PENDING = 1
VALID = 2
INVALID = 3
ABORTED = 4
UNDEFINED = 0xFFFFFFFF
