/* envelope: a message's recipients, with their ESMTP parameters. */
#include "envelope.h"

#include "address.h"
#include "hex.h"
#include "mailbox.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

struct envelope envelope_new(void)
{
	return (struct envelope){.text = buffer_with_maximum(ENVELOPE_MAXIMUM)};
}

void envelope_clear(struct envelope *envelope)
{
	struct envelope empty = {.text = envelope->text};

	buffer_clear(&empty.text);
	*envelope = empty;
}

void envelope_free(struct envelope *envelope)
{
	buffer_free(&envelope->text);
}

static void append_text(struct envelope *envelope, const char *text, size_t length)
{
	buffer_append(&envelope->text, text, length);
	buffer_append(&envelope->text, "", 1);
}

/* The value of one of RCPT's parameters; "" if it is not there. */
static const char *find_parameter(char *const *parameters, const char *name)
{
	const size_t length = strlen(name);

	for (; parameters && *parameters; parameters++)
		if (strncasecmp(*parameters, name, length) == 0)
			return *parameters + length;
	return "";
}

static bool has_suffix(const char *address, size_t length)
{
	const size_t suffix = strlen(ENVELOPE_SUFFIX);

	if (length > 0 && address[length - 1] == '.')
		length--; /* a root domain's dot */
	return length > suffix &&
	       strncasecmp(address + length - suffix, ENVELOPE_SUFFIX, suffix) == 0;
}

/* Is ORCPT's value just this address? */
static bool is_same(const char *orcpt, const char *address, size_t length)
{
	const struct envelope_recipient recipient = {.orcpt = orcpt};
	char original[ADDRESS_MAXIMUM + 1];

	return envelope_original(&recipient, original, sizeof(original)) &&
	       strlen(original) == length && memcmp(original, address, length) == 0;
}

void envelope_add(struct envelope *envelope, const char *address, char *const *parameters)
{
	const char *notify = find_parameter(parameters, "NOTIFY=");
	const char *orcpt = find_parameter(parameters, "ORCPT=");
	size_t length = strlen(address);

	if (length >= 2 && address[0] == '<' && address[length - 1] == '>') {
		address++;
		length -= 2;
	}
	/* The beginning of an address is another address: one that is too long is none. */
	if (length > ADDRESS_MAXIMUM)
		length = 0;
	if (envelope->text.failed)
		return;
	if (envelope->count == 0 || strncasecmp(address, envelope->text.data, length) != 0 ||
	    envelope->text.data[length] != '\0')
		envelope->count++;
	envelope->suffixed |= has_suffix(address, length);
	envelope->renamed |= orcpt[0] && !is_same(orcpt, address, length);
	append_text(envelope, address, length);
	append_text(envelope, notify, strlen(notify));
	append_text(envelope, orcpt, strlen(orcpt));
}

static const char *take_text(const struct envelope *envelope, size_t *at)
{
	const char *text = envelope->text.data + *at;

	*at += strlen(text) + 1;
	return text;
}

bool envelope_next(const struct envelope *envelope, size_t *at,
		   struct envelope_recipient *recipient)
{
	if (envelope->text.failed || *at >= envelope->text.length)
		return false;
	recipient->address = take_text(envelope, at);
	recipient->notify = take_text(envelope, at);
	recipient->orcpt = take_text(envelope, at);
	return true;
}

const char *envelope_first(const struct envelope *envelope)
{
	return envelope->text.length > 0 ? envelope->text.data : "";
}

/* ---- ORCPT ---- */

bool envelope_original(const struct envelope_recipient *recipient, char *out, size_t size)
{
	static const char type[] = "rfc822;";
	const char *at = recipient->orcpt;
	size_t used = 0;

	if (strncasecmp(at, type, strlen(type)) != 0)
		return false;
	for (at += strlen(type); *at; at++) {
		char c = *at;

		if (c == '+') { /* xtext: +XX (RFC 3461, 4) */
			const int byte = hex_byte(at + 1);

			if (byte < 0)
				return false;
			c = (char)byte;
			at += 2;
		}
		if (used + 1 >= size)
			return false;
		out[used++] = c;
	}
	out[used] = '\0';
	return strlen(out) == used && mailbox_is_plain(out);
}

static void append_xtext(struct buffer *out, const char *text)
{
	for (; *text; text++) {
		if (*text > ' ' && *text < 0x7f && *text != '+' && *text != '=')
			buffer_append(out, text, 1);
		else
			buffer_printf(out, "+%02X", (unsigned char)*text);
	}
}

bool envelope_can_reroute(const struct envelope_recipient *recipient)
{
	const char *host = strrchr(recipient->address, '@');
	char last = '.';

	if (!host ||
	    strlen(recipient->address) + strlen(ENVELOPE_SUFFIX) > ENVELOPE_REROUTED_MAXIMUM)
		return false;
	/* A name: no address literal, no empty label, so no dot at the end either. */
	for (host++; *host; host++) {
		if (*host == '.' ? last == '.'
				 : !isalnum((unsigned char)*host) && *host != '-' && *host != '_')
			return false;
		last = *host;
	}
	return last != '.';
}

bool envelope_reroute(const struct envelope_recipient *recipient, const char *suffix,
		      struct buffer *address, struct buffer *parameters)
{
	buffer_clear(address);
	buffer_clear(parameters);
	buffer_printf(address, "<%s%s>", recipient->address, suffix);
	if (recipient->notify[0])
		buffer_printf(parameters, "NOTIFY=%s ", recipient->notify);
	buffer_append_text(parameters, "ORCPT=rfc822;");
	append_xtext(parameters, recipient->address);
	return !address->failed && !parameters->failed;
}
