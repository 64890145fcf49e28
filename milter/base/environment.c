/* environment: takes variables away that libraries would obey. */
#include "environment.h"

#include <stdlib.h>
#include <string.h>

extern char **environ;

static const char *const names[] = {
	/* TLS */
	"SSLKEYLOGFILE",
	"SSL_CERT_FILE",
	"SSL_CERT_DIR",
	"SSL_DIR",
	"SSL_PATH",
	/* libcurl and its libraries */
	"http_proxy",
	"https_proxy",
	"HTTPS_PROXY",
	"all_proxy",
	"ALL_PROXY",
	"no_proxy",
	"NO_PROXY",
	"NETRC",
	"QLOGDIR",
	/* the resolver */
	"HOSTALIASES",
	"LOCALDOMAIN",
	"RES_OPTIONS",
	/* the dynamic linker, for programs that we run: it has read them for us already */
	"LD_PRELOAD",
	"LD_AUDIT",
	"LD_DEBUG",
	"LD_DEBUG_OUTPUT",
	"LD_PROFILE",
};

void environment_clean(void)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
	/* curl's own: CURL_CA_BUNDLE, CURL_HOME, CURL_SSL_BACKEND, CURL_ENTROPY and what will come. */
	for (char **at = environ; at && *at;) {
		const char *equals = strchr(*at, '=');
		char name[256];
		const size_t length = equals ? (size_t)(equals - *at) : 0;

		if (strncmp(*at, "CURL_", 5) != 0 || length == 0 || length >= sizeof(name)) {
			at++;
			continue;
		}
		memcpy(name, *at, length);
		name[length] = '\0';
		unsetenv(name); /* what was behind it is here now */
	}
}
