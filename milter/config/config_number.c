/* config_number: values that are numbers: counts, rates, modes, sizes, durations, shares. */
#include "config_type.h"
#include "config_value.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIB    1024LL
#define SECOND 1000LL
#define DAY    (86400 * SECOND)

/* A number with a unit out of "name factor" pairs; -1 if it is none. */
static long long parse_scaled(const char *text, const char *const *units, const long long *factors)
{
	char *end;
	long long value;

	if (text[0] < '0' || text[0] > '9')
		return -1;
	errno = 0;
	value = strtoll(text, &end, 10);
	for (size_t i = 0; errno == 0 && units[i]; i++)
		if (strcmp(end, units[i]) == 0 && value <= LLONG_MAX / factors[i])
			return value * factors[i];
	return -1;
}

long long config_value_duration(const char *text)
{
	static const char *const units[] = {"ms", "s", "m", "h", "d", NULL};
	static const long long factors[] = {1, SECOND, 60 * SECOND, 3600 * SECOND, DAY};

	return parse_scaled(text, units, factors);
}

static long long parse_size(const char *text)
{
	static const char *const units[] = {"", "K", "M", "G", NULL};
	static const long long factors[] = {1, KIB, KIB * KIB, KIB * KIB * KIB};

	return parse_scaled(text, units, factors);
}

static long long parse_number(const char *text)
{
	static const char *const units[] = {"", NULL};
	static const long long factors[] = {1};

	return parse_scaled(text, units, factors);
}

static long long parse_octal(const char *text)
{
	char *end;
	const long value = strtol(text, &end, 8);

	return text[0] >= '0' && text[0] <= '7' && *end == '\0' ? value : -1;
}

/* A limit the way a file would say it. */
static const char *show_limit(const struct config_key *key, long long value, char *out, size_t size)
{
	if (key->type == TYPE_DURATION && value > 0 && value % DAY == 0)
		snprintf(out, size, "%lldd", value / DAY);
	else if (key->type == TYPE_DURATION)
		snprintf(out, size, value % SECOND ? "%lldms" : "%llds",
			 value % SECOND ? value : value / SECOND);
	else if (key->type == TYPE_SIZE && value >= KIB * KIB)
		snprintf(out, size, "%lldM", value / (KIB * KIB));
	else if (key->type == TYPE_SIZE && value >= KIB)
		snprintf(out, size, "%lldK", value / KIB);
	else
		snprintf(out, size, key->type == TYPE_OCTAL ? "0%llo" : "%lld", value);
	return out;
}

static bool set_within_limits(const struct config_key *key, long long *field, long long value,
			      const char *form, const char *text, struct problem *why)
{
	char least[32], most[32], expected[192];

	if (value >= key->least && value <= key->most) {
		*field = value;
		return true;
	}
	snprintf(expected, sizeof(expected), "expected %s from %s to %s", form,
		 show_limit(key, key->least, least, sizeof(least)),
		 show_limit(key, key->most, most, sizeof(most)));
	return config_type_refuse(key, text, why, expected);
}

static bool set_number(const struct config_key *key, void *field, const char *directory,
		       const char *text, struct problem *why)
{
	(void)directory;
	return set_within_limits(key, field, parse_number(text), "a number", text, why);
}

static bool set_rate(const struct config_key *key, void *field, const char *directory,
		     const char *text, struct problem *why)
{
	(void)directory;
	if (strcmp(text, "none") != 0)
		return set_within_limits(key, field, parse_number(text), "none, or a number", text,
					 why);
	*(long long *)field = RATE_NONE;
	return true;
}

static bool set_octal(const struct config_key *key, void *field, const char *directory,
		      const char *text, struct problem *why)
{
	(void)directory;
	return set_within_limits(key, field, parse_octal(text), "an octal mode (0660)", text, why);
}

static bool set_size(const struct config_key *key, void *field, const char *directory,
		     const char *text, struct problem *why)
{
	(void)directory;
	return set_within_limits(key, field, parse_size(text), "a size (4096, 64K, 10M)", text,
				 why);
}

static bool set_duration(const struct config_key *key, void *field, const char *directory,
			 const char *text, struct problem *why)
{
	(void)directory;
	return set_within_limits(key, field, config_value_duration(text),
				 "a duration (250ms, 5s, 2m, 1h, 30d)", text, why);
}

static bool set_share(const struct config_key *key, void *field, const char *directory,
		      const char *text, struct problem *why)
{
	const bool is_part = strncmp(text, "1/", 2) == 0 && strlen(text) < sizeof("1/9999");
	const long long count = is_part ? parse_number(text + 2) : strcmp(text, "1") == 0;

	(void)directory;
	if (count < 1)
		return config_type_refuse(key, text, why,
					  "expected 1, or 1/N for one of N filters, such as 1/2");
	*(long long *)field = count;
	return true;
}

static bool copy_number(void *field, const void *from)
{
	*(long long *)field = *(const long long *)from;
	return true;
}

static void free_nothing(void *field)
{
	(void)field;
}

static bool is_same_number(const void *a, const void *b)
{
	return *(const long long *)a == *(const long long *)b;
}

static void show_number(const struct config_key *key, const void *field, struct buffer *out)
{
	(void)key;
	buffer_printf(out, "%lld", *(const long long *)field);
}

static void show_rate(const struct config_key *key, const void *field, struct buffer *out)
{
	const long long *rate = field;

	if (*rate == RATE_NONE)
		buffer_append_text(out, "none");
	else
		show_number(key, field, out);
}

static void show_octal(const struct config_key *key, const void *field, struct buffer *out)
{
	(void)key;
	buffer_printf(out, "0%llo", *(const long long *)field);
}

static void show_duration(const struct config_key *key, const void *field, struct buffer *out)
{
	(void)key;
	buffer_printf(out, "%lldms", *(const long long *)field);
}

static void show_share(const struct config_key *key, const void *field, struct buffer *out)
{
	const long long count = *(const long long *)field;

	(void)key;
	buffer_printf(out, count == 1 ? "%lld" : "1/%lld", count);
}

const struct config_operations config_type_number = {set_number,     copy_number, free_nothing,
						     is_same_number, show_number, false};

const struct config_operations config_type_rate = {set_rate,       copy_number, free_nothing,
						   is_same_number, show_rate,   false};

const struct config_operations config_type_octal = {set_octal,      copy_number, free_nothing,
						    is_same_number, show_octal,  false};

const struct config_operations config_type_size = {set_size,       copy_number, free_nothing,
						   is_same_number, show_number, false};

const struct config_operations config_type_duration = {set_duration,   copy_number,   free_nothing,
						       is_same_number, show_duration, false};

const struct config_operations config_type_share = {set_share,      copy_number, free_nothing,
						    is_same_number, show_share,  false};
