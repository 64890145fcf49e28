/* random: libcrypto's generator, tried. */
#include "random.h"

#include <openssl/rand.h>

bool random_is_ready(void)
{
	unsigned char byte;

	return RAND_status() == 1 && RAND_bytes(&byte, 1) == 1 && RAND_priv_bytes(&byte, 1) == 1;
}
