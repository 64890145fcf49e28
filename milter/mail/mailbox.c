/* mailbox: reads an envelope address the strict way, beside what the MTA made of it. */
#include "mailbox.h"

#include "address.h"
#include "span.h"
#include "utf8.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct mailbox {
	struct span local;  /* with its quotes, if it has them */
	struct span domain; /* empty if there is none: a user of the MTA's own */
};

static bool is_8bit(char c)
{
	return (unsigned char)c >= 0x80;
}

/* ---- the strict grammar ---- */

/* atext (RFC 5322, 3.2.3; RFC 6531, 3.3), and the dot. */
static bool is_atom_or_dot(char c)
{
	return isalnum((unsigned char)c) || is_8bit(c) ||
	       (c && strchr("!#$%&'*+-/=?^_`{|}~.", c) != NULL);
}

/* The length of the local part that `text` begins with; 0 if it begins with none. */
static size_t local_length(const char *text)
{
	size_t length = 0;

	if (text[0] != '"') {
		while (is_atom_or_dot(text[length]))
			length++;
		return length;
	}
	for (length = 1; text[length] != '"'; length++) {
		if (text[length] == '\\')
			length++;
		if (text[length] == '\0')
			return 0;
	}
	return length > 1 ? length + 1 : 0;
}

/* Labels with single dots between them, or an address literal (RFC 5321, 4.1.3). */
static bool is_domain(struct span text)
{
	const bool literal =
		text.length > 2 && text.at[0] == '[' && text.at[text.length - 1] == ']';
	char last = '.';

	if (literal) {
		text.at++;
		text.length -= 2;
	}
	for (size_t i = 0; i < text.length; i++) {
		const char c = text.at[i];

		if (!isalnum((unsigned char)c) && !is_8bit(c) &&
		    !strchr(literal ? "-.:" : "-._", c))
			return false;
		if (c == '.' && last == '.')
			return false;
		last = c;
	}
	return last != '.';
}

/* False if the text is no plain mailbox, with a domain or without one. */
static bool split(const char *text, struct mailbox *mailbox)
{
	const size_t length = strlen(text), local = local_length(text);

	if (local == 0 || !utf8_valid(text, length) || utf8_has_control(text, length))
		return false;
	mailbox->local = (struct span){text, local};
	mailbox->domain = (struct span){text + length, 0};
	if (text[local] == '\0')
		return true;
	mailbox->domain = (struct span){text + local + 1, length - local - 1};
	return text[local] == '@' && is_domain(mailbox->domain);
}

bool mailbox_is_plain(const char *text)
{
	struct mailbox mailbox;

	return split(text, &mailbox) && mailbox.domain.length > 0;
}

/* May an MTA take this for a route to some other mailbox: user%host@relay, host!user@relay? */
static bool may_be_route(const char *text)
{
	return strpbrk(text, "%!") != NULL;
}

/* ---- comparing ---- */

#define RUN_8BIT 0x80

/*
 * Takes the next character off the front, in lower case, out of its quotes. Characters beyond ASCII
 * that follow each other are one, RUN_8BIT: some MTAs fold their case too, and it is the MTA's
 * mailbox that counts. 0 at the end.
 */
static int take_folded(struct span *text)
{
	while (text->length > 0 && (text->at[0] == '"' || text->at[0] == '\\')) {
		const bool quoted_pair = text->at[0] == '\\';

		text->at++;
		text->length--;
		if (quoted_pair)
			break;
	}
	if (text->length == 0)
		return 0;
	if (!is_8bit(text->at[0])) {
		text->length--;
		return tolower((unsigned char)*text->at++);
	}
	while (text->length > 0 && is_8bit(text->at[0])) {
		text->at++;
		text->length--;
	}
	return RUN_8BIT;
}

static bool is_same_text(struct span a, struct span b)
{
	int c;

	while ((c = take_folded(&a)) == take_folded(&b))
		if (c == 0)
			return true;
	return false;
}

static bool is_same(const struct mailbox *a, const struct mailbox *b)
{
	return is_same_text(a->local, b->local) &&
	       (a->domain.length == 0 || b->domain.length == 0 ||
		is_same_text(a->domain, b->domain));
}

/* Gives how much was written, at most `size`. */
static size_t write_folded(char *out, size_t size, struct span text)
{
	size_t used = 0;
	int c;

	while (used < size && (c = take_folded(&text)) != 0)
		out[used++] = (char)c;
	return used;
}

void mailbox_fold(char *out, size_t size, const char *address)
{
	struct mailbox mailbox;
	size_t used;

	if (!split(address, &mailbox) || strlen(address) >= size) {
		snprintf(out, size, "%s", address);
		return;
	}
	used = write_folded(out, size - 1, mailbox.local);
	if (mailbox.domain.length > 0) {
		out[used++] = '@';
		used += write_folded(out + used, size - 1 - used, mailbox.domain);
	}
	out[used] = '\0';
}

/* ---- reading ---- */

static enum mailbox_reading compare(const char *typed, const char *parsed, bool *use_typed)
{
	struct mailbox as_typed, as_parsed;

	*use_typed = !parsed;
	if (!typed[0]) /* the null path */
		return !parsed || !parsed[0] ? MAILBOX_GOOD : MAILBOX_BAD;
	if (!split(typed, &as_typed))
		return MAILBOX_BAD;
	if (!parsed)
		return typed[0] == '"' || may_be_route(typed) ? MAILBOX_UNKNOWN : MAILBOX_GOOD;
	if (!split(parsed, &as_parsed) || !is_same(&as_typed, &as_parsed))
		return MAILBOX_BAD;
	*use_typed = as_parsed.domain.length == 0;
	return MAILBOX_GOOD;
}

enum mailbox_reading mailbox_read(char *out, size_t size, const char *typed, const char *parsed)
{
	char given[1024];
	enum mailbox_reading reading = MAILBOX_BAD;
	bool use_typed = !parsed;

	if (address_copy(given, sizeof(given), typed))
		reading = compare(given, parsed, &use_typed);
	return address_copy(out, size, use_typed ? given : parsed) ? reading : MAILBOX_BAD;
}
