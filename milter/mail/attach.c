/* attach: scanner, spool and rewrite of one message, in their order. */
#include "attach.h"

#include <string.h>
#include <sys/random.h>

bool attach_begin(struct attach *attach, const struct headers *headers, size_t memory,
		  const char *directory, struct problem *why)
{
	unsigned char random[MIME_STEMS * MIME_STEM_DIGITS / 2];

	*attach = (struct attach){.headers = headers, .body = spool_new(memory, directory)};
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
		problem_cannot_tell(why, "no random numbers for the message's boundaries");
		return false;
	}
	attach->scanner = mime_scanner_new(buffer_span(&headers->content), random);
	if (!attach->scanner)
		problem_cannot_tell(why, "no memory for the message");
	return attach->scanner != NULL;
}

bool attach_add(struct attach *attach, const char *data, size_t length, struct problem *why)
{
	mime_scanner_add(attach->scanner, data, length);
	return spool_add(&attach->body, data, length, why);
}

bool attach_check(struct attach *attach, struct problem *why)
{
	return mime_scanner_finish(attach->scanner, &attach->plan, why);
}

bool attach_calendar(struct attach *attach, struct span calendar, const char *tag,
		     struct header_edits *edits, struct problem *why)
{
	attach->has_calendar = rewrite_make(&attach->rewrite, &attach->plan,
					    buffer_span(&attach->headers->content), calendar);
	if (!attach->has_calendar) {
		problem_cannot_tell(why, "no memory for the calendar");
		return false;
	}
	header_edits_strip_tags(attach->headers, tag, edits);
	header_edits_follow_rewrite(attach->headers, &attach->rewrite, edits);
	if (edits->failed)
		problem_cannot_tell(why, "no memory for the headers");
	return !edits->failed;
}

/* Carries a piece of the old body through the rewriting. */
struct copy {
	const struct attach *attach;
	rewrite_writer *write;
	void *context;
};

static bool copy_piece(void *context, size_t offset, const char *data, size_t length)
{
	const struct copy *copy = context;
	const bool last = offset + length == copy->attach->body.length;

	return rewrite_write(&copy->attach->rewrite, offset, (struct span){data, length}, last,
			     copy->write, copy->context);
}

bool attach_write(struct attach *attach, rewrite_writer *write, void *context, struct problem *why)
{
	struct copy copy = {attach, write, context};

	if (attach->body.length > 0)
		return spool_read(&attach->body, copy_piece, &copy, why);
	if (copy_piece(&copy, 0, "", 0))
		return true;
	problem_set(why, "the message's new body was not accepted");
	return false;
}

void attach_free(struct attach *attach)
{
	if (!attach->headers)
		return;
	mime_scanner_free(attach->scanner);
	spool_free(&attach->body);
	rewrite_free(&attach->rewrite);
	*attach = (struct attach){.headers = NULL};
}
