/* mime: scans a message for the place where the calendar goes. */
#include "mime.h"

#include "buffer.h"
#include "entity.h"
#include "utf8.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* An open multipart. */
struct level {
	enum entity_kind kind;
	bool chained; /* on the way to the calendar's place: it must be well-formed */
	bool closed;
	size_t parts;
	size_t boundary_length;
	char boundary[MIME_BOUNDARY_MAXIMUM + 1];
	char start[ENTITY_ID_MAXIMUM + 1];
};

/* Of a line this much is kept: "--", a boundary, "--", and one byte to see that more follows. */
#define LINE_HEAD (2 + MIME_BOUNDARY_MAXIMUM + 2 + 1)

static const char pgp_message[] = "-----BEGIN PGP MESSAGE-----";

struct mime_scanner {
	struct mime_plan plan;
	struct problem refusal;
	bool refused;
	bool cannot_tell; /* memory ran out */
	bool beside;   /* something on the way is unusable: do not descend */
	bool given_up; /* beyond a limit: structure is no longer looked at */

	struct level levels[MIME_DEPTH_MAXIMUM];
	size_t depth;      /* open levels */
	size_t parts;      /* seen in all */
	bool wrap_open;    /* MIME_WRAP: the entity's end is still to come */
	size_t wrap_depth; /* how many levels enclose it */

	bool in_headers; /* of a part, rather than in a body, preamble or epilogue */
	bool in_text;    /* in the body of a text part */
	struct buffer headers;
	size_t headers_mark; /* how long `headers` was when the current line began */
	size_t part_start;   /* offset of the current part's first byte */
	size_t body_start;   /* of its body's first byte */
	bool first_chained;  /* it is the first part of a chained level */
	bool bare;           /* it has neither header fields nor, so far, a body */

	size_t offset;     /* of the next byte */
	size_t line_start; /* offset of the current line's first byte */
	size_t line_length;
	char line[LINE_HEAD];
	bool line_blank_tail; /* nothing but white space behind `line` */

	char stems[MIME_STEMS][MIME_STEM_DIGITS + 1];
	bool stem_taken[MIME_STEMS];
	struct utf8_stream utf8;
};

static void refuse(struct mime_scanner *scanner, const char *reason)
{
	if (scanner->refused)
		return;
	scanner->refused = true;
	problem_set(&scanner->refusal, "%s", reason);
}

/* Can a delimiter line of one be taken for one of the other: are they equal, but for a "--"? */
static bool is_confusable(const char *boundary, const char *other)
{
	const size_t length = strlen(boundary);

	return strncmp(boundary, other, length) == 0 &&
	       (other[length] == '\0' || strcmp(other + length, "--") == 0);
}

static bool boundary_is_open(const struct mime_scanner *scanner, const char *boundary)
{
	for (size_t i = 0; i < scanner->depth; i++)
		if (is_confusable(scanner->levels[i].boundary, boundary) ||
		    is_confusable(boundary, scanner->levels[i].boundary))
			return true;
	return false;
}

/* This entity is where the calendar goes, or the way there. Is it a level to be well-formed? */
static bool choose_place(struct mime_scanner *scanner, const struct entity *entity)
{
	struct mime_plan *plan = &scanner->plan;
	const struct level *parent =
		scanner->depth > 0 ? &scanner->levels[scanner->depth - 1] : NULL;

	if (entity->kind == KIND_UNDELIVERED)
		refuse(scanner, "it is a report or a fragment (multipart/report, message/partial), "
				"which programs read");
	if (parent && parent->kind == KIND_RELATED) {
		/* Only an alternative that is the root takes the calendar; else it is wrapped. */
		if (entity->kind != KIND_ALTERNATIVE || entity->headers_malformed ||
		    entity->attachment ||
		    (parent->start[0] && strcmp(parent->start, entity->content_id) != 0))
			return false;
		plan->shape = MIME_INTO;
		scanner->wrap_open = false;
		return true;
	}
	if (entity->headers_malformed || entity->attachment) {
		scanner->beside = true;
		return false;
	}
	switch (entity->kind) {
	case KIND_TEXT:
	case KIND_RELATED:
		plan->shape = MIME_WRAP;
		plan->wrap_start = scanner->part_start;
		scanner->wrap_open = true;
		scanner->wrap_depth = scanner->depth;
		return entity->kind == KIND_RELATED;
	case KIND_ALTERNATIVE:
		plan->shape = MIME_INTO;
		return true;
	case KIND_MIXED:
		if (!parent)
			plan->keeps_mixed = true;
		return true;
	default:
		scanner->beside = true;
		return false;
	}
}

/* A header block is complete: what begins here, and is it a level? */
static void begin_entity(struct mime_scanner *scanner, struct span fields, bool chained)
{
	struct entity entity;
	struct level *level;
	bool placed;

	entity_read(&entity, fields);
	if (entity.trouble)
		refuse(scanner, entity.trouble);
	scanner->cannot_tell |= entity.cannot_tell;
	scanner->plan.binary |= entity.binary;
	/* An encrypted file that is attached is one thing, an encrypted message another. */
	if (entity.kind == KIND_ENCRYPTED &&
	    (chained || scanner->levels[scanner->depth - 1].kind != KIND_MIXED))
		refuse(scanner, "it is encrypted: a readable calendar would disclose the event");
	placed = chained && choose_place(scanner, &entity);
	scanner->in_text = entity.kind == KIND_TEXT && !entity.attachment;
	if (!entity_is_multipart(&entity))
		return;
	if (!entity.boundary_usable) {
		scanner->beside |= placed;
		return;
	}
	/* Where one boundary serves two levels, programs disagree on what ends where. */
	if (boundary_is_open(scanner, entity.boundary)) {
		scanner->beside = true;
		return;
	}
	if (scanner->depth == MIME_DEPTH_MAXIMUM) {
		scanner->given_up = true;
		return;
	}
	level = &scanner->levels[scanner->depth++];
	*level = (struct level){
		.kind = entity.kind,
		.chained = placed,
		.boundary_length = strlen(entity.boundary),
	};
	memcpy(level->boundary, entity.boundary, sizeof(level->boundary));
	memcpy(level->start, entity.start, sizeof(level->start));
}

/* The current part ends where the delimiter line at `end` begins, unless it ended long ago. */
static void end_part(struct mime_scanner *scanner, size_t end)
{
	/* The line end before a delimiter belongs to it: two bytes are an empty body. */
	if (scanner->bare && end - scanner->body_start <= 2)
		scanner->beside = true;
	scanner->bare = false;
	if (scanner->wrap_open && scanner->depth == scanner->wrap_depth) {
		scanner->plan.wrap_end = end;
		scanner->wrap_open = false;
	}
	scanner->in_text = false;
}

static void part_headers_end(struct mime_scanner *scanner, size_t body_start)
{
	scanner->in_headers = false;
	scanner->headers.length = scanner->headers_mark;
	scanner->body_start = body_start;
	if (scanner->headers.failed) {
		scanner->cannot_tell |= scanner->headers.out_of_memory;
		scanner->given_up = true;
		return;
	}
	scanner->bare = scanner->first_chained && scanner->headers.length == 0 &&
			scanner->levels[scanner->depth - 1].kind == KIND_MIXED;
	begin_entity(scanner, (struct span){scanner->headers.data, scanner->headers.length},
		     scanner->first_chained);
}

static void close_level(struct mime_scanner *scanner, struct level *level, size_t at)
{
	level->closed = true;
	if (!level->chained)
		return;
	if (level->parts == 0)
		scanner->beside = true;
	if (level == scanner->levels && scanner->plan.keeps_mixed) {
		scanner->plan.mixed_close = at;
		memcpy(scanner->plan.mixed_boundary, level->boundary, sizeof(level->boundary));
	}
	if (level->kind == KIND_ALTERNATIVE) {
		scanner->plan.alternative_close = at;
		memcpy(scanner->plan.alternative_boundary, level->boundary,
		       sizeof(level->boundary));
	}
}

/* Levels deeper than `depth` are over; one on the way that was never closed is not to be used. */
static void leave_levels(struct mime_scanner *scanner, size_t depth)
{
	while (scanner->depth > depth) {
		const struct level *level = &scanner->levels[--scanner->depth];

		if (level->chained && !level->closed)
			scanner->beside = true;
	}
}

enum delimiter {
	DELIMITER_NONE,
	DELIMITER_PART,
	DELIMITER_CLOSE,
};

/* RFC 2046, 5.1.1: --boundary, or --boundary--, then nothing but white space. */
static enum delimiter match_delimiter(const struct mime_scanner *scanner, const struct level *level)
{
	const size_t kept = scanner->line_length < LINE_HEAD ? scanner->line_length : LINE_HEAD;
	enum delimiter found = DELIMITER_PART;
	size_t i = 2 + level->boundary_length;

	if (level->closed || kept < i || memcmp(scanner->line, "--", 2) != 0 ||
	    memcmp(scanner->line + 2, level->boundary, level->boundary_length) != 0)
		return DELIMITER_NONE;
	if (kept >= i + 2 && memcmp(scanner->line + i, "--", 2) == 0) {
		found = DELIMITER_CLOSE;
		i += 2;
	}
	for (; i < kept; i++)
		if (!strchr(" \t\r\n", scanner->line[i]) || scanner->line[i] == '\0')
			return DELIMITER_NONE;
	return scanner->line_blank_tail ? found : DELIMITER_NONE;
}

/* Is the current line, which ends before `offset`, a delimiter of an open level? Acts on it. */
static bool take_delimiter(struct mime_scanner *scanner)
{
	for (size_t i = scanner->depth; i-- > 0;) {
		struct level *level = &scanner->levels[i];
		enum delimiter found = match_delimiter(scanner, level);

		if (found == DELIMITER_NONE)
			continue;
		if (scanner->in_headers)
			part_headers_end(scanner, scanner->line_start);
		leave_levels(scanner, i + 1);
		end_part(scanner, scanner->line_start);
		if (found == DELIMITER_CLOSE) {
			close_level(scanner, level, scanner->line_start);
			return true;
		}
		level->parts++;
		if (++scanner->parts > MIME_PARTS_MAXIMUM)
			scanner->given_up = true;
		scanner->first_chained = level->chained && level->parts == 1 &&
					 (level->kind == KIND_MIXED || level->kind == KIND_RELATED);
		scanner->in_headers = true;
		scanner->part_start = scanner->offset;
		buffer_clear(&scanner->headers);
		return true;
	}
	return false;
}

/* A stem of ours that the message holds already is not used. */
static void look_for_stems(struct mime_scanner *scanner)
{
	for (size_t i = 0; i < MIME_STEMS; i++)
		if (memcmp(scanner->line + 4, scanner->stems[i], MIME_STEM_DIGITS) == 0)
			scanner->stem_taken[i] = true;
}

/* The line that began at line_start is complete; its head is in `line`. */
static void end_line(struct mime_scanner *scanner)
{
	const size_t length = scanner->line_length;

	if (length >= 4 + MIME_STEM_DIGITS && memcmp(scanner->line, "--=_", 4) == 0)
		look_for_stems(scanner);
	if (scanner->given_up)
		return;
	if (length > 2 && memcmp(scanner->line, "--", 2) == 0) {
		if (take_delimiter(scanner))
			return;
		if (scanner->in_text && length >= sizeof(pgp_message) - 1 &&
		    memcmp(scanner->line, pgp_message, sizeof(pgp_message) - 1) == 0)
			refuse(scanner, "it holds a PGP-encrypted text: a readable calendar would "
					"disclose the event");
	}
	if (scanner->in_headers &&
	    (scanner->line[0] == '\n' || (length == 2 && memcmp(scanner->line, "\r\n", 2) == 0)))
		part_headers_end(scanner, scanner->offset);
}

/* Takes a piece of the current line; a line may come in any number of them. */
static void add_to_line(struct mime_scanner *scanner, const char *piece, size_t length)
{
	size_t kept = 0;

	if (scanner->line_length < LINE_HEAD) {
		kept = LINE_HEAD - scanner->line_length;
		if (kept > length)
			kept = length;
		memcpy(scanner->line + scanner->line_length, piece, kept);
	}
	/* Only a line that can be a delimiter needs its tail known; most lines are not long. */
	if (scanner->line[0] == '-')
		for (size_t i = kept; i < length; i++)
			scanner->line_blank_tail &= piece[i] == ' ' || piece[i] == '\t' ||
						    piece[i] == '\r' || piece[i] == '\n';
	if (scanner->in_headers)
		buffer_append(&scanner->headers, piece, length);
	scanner->line_length += length;
	scanner->offset += length;
}

static void begin_line(struct mime_scanner *scanner)
{
	scanner->line_start = scanner->offset;
	scanner->line_length = 0;
	scanner->line_blank_tail = true;
	scanner->headers_mark = scanner->headers.length;
}

static void scan_lines(struct mime_scanner *scanner, const char *body, size_t length)
{
	const char *const end = body + length;

	while (body < end) {
		const char *newline = memchr(body, '\n', (size_t)(end - body));
		const char *next = newline ? newline + 1 : end;

		/* Almost every line of almost every body: whole, and no delimiter. */
		if (scanner->line_length == 0 && newline && *body != '-' && !scanner->in_headers) {
			scanner->offset += (size_t)(next - body);
			scanner->line_start = scanner->offset;
		} else {
			add_to_line(scanner, body, (size_t)(next - body));
			if (newline) {
				end_line(scanner);
				begin_line(scanner);
			}
		}
		body = next;
	}
}

/* ---- the outside ---- */

static void write_stem(char *stem, const unsigned char *random)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < MIME_STEM_DIGITS / 2; i++) {
		*stem++ = digits[random[i] >> 4];
		*stem++ = digits[random[i] & 15];
	}
	*stem = '\0';
}

struct mime_scanner *mime_scanner_new(struct span fields, const unsigned char *random)
{
	struct mime_scanner *scanner = calloc(1, sizeof(*scanner));
	struct entity top;

	if (!scanner)
		return NULL;
	scanner->headers = buffer_with_maximum(MIME_PART_HEADERS_MAXIMUM);
	scanner->plan.mixed_close = MIME_NOWHERE;
	scanner->plan.wrap_end = MIME_NOWHERE;
	scanner->plan.alternative_close = MIME_NOWHERE;
	for (size_t i = 0; i < MIME_STEMS; i++)
		write_stem(scanner->stems[i], random + i * MIME_STEM_DIGITS / 2);
	scanner->plan.eight_bit = fields.length > 0 && !utf8_is_ascii(fields.at, fields.length);
	begin_line(scanner);
	entity_read(&top, fields);
	if (top.headers_malformed)
		refuse(scanner, "it has two different Content-Type headers");
	begin_entity(scanner, fields, true);
	return scanner;
}

void mime_scanner_add(struct mime_scanner *scanner, const char *body, size_t length)
{
	scanner->plan.body_length += length;
	if (!scanner->plan.eight_bit)
		scanner->plan.eight_bit = !utf8_is_ascii(body, length);
	utf8_stream_add(&scanner->utf8, body, length);
	scan_lines(scanner, body, length);
}

bool mime_scanner_finish(struct mime_scanner *scanner, struct mime_plan *plan, struct problem *why)
{
	size_t stem = 0;

	if (scanner->line_length > 0)
		end_line(scanner);
	if (scanner->in_headers && !scanner->given_up) {
		scanner->headers_mark = scanner->headers.length;
		part_headers_end(scanner, scanner->offset);
	}
	leave_levels(scanner, 0);
	if (scanner->wrap_open && scanner->wrap_depth == 0)
		scanner->plan.wrap_end = scanner->plan.body_length;

	while (stem < MIME_STEMS && scanner->stem_taken[stem])
		stem++;
	if (stem == MIME_STEMS)
		refuse(scanner, "it contains every boundary that was generated for it");
	if (scanner->refused) {
		*why = scanner->refusal;
		return false;
	}
	if (scanner->cannot_tell) {
		problem_cannot_tell(why, "no memory to look at the message's parts");
		return false;
	}
	if (scanner->beside || scanner->given_up) {
		scanner->plan.shape = MIME_BESIDE;
		scanner->plan.keeps_mixed = false;
	}
	scanner->plan.utf8 = utf8_stream_valid(&scanner->utf8);
	*plan = scanner->plan;
	memcpy(plan->stem, scanner->stems[stem], sizeof(plan->stem));
	return true;
}

void mime_scanner_free(struct mime_scanner *scanner)
{
	if (!scanner)
		return;
	buffer_free(&scanner->headers);
	free(scanner);
}
