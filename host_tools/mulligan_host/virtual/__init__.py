"""A virtual ESP32: a flash file, ESP-IDF's bootloader decisions, and real MicroPython as the chip that runs from them."""
