/* hex: bytes from and to hexadecimal digits. */
#include "hex.h"

int hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'A' && digit <= 'F')
		return digit - 'A' + 10;
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	return -1;
}

int hex_byte(const char *text)
{
	const int high = hex_value(text[0]), low = high < 0 ? -1 : hex_value(text[1]);

	return low < 0 ? -1 : high << 4 | low;
}

void hex_write(char *out, const unsigned char *bytes, size_t length)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < length; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * length] = '\0';
}
