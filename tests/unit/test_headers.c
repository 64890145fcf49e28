/* What is kept of a message's headers, and how they change. */
#include "header_edits.h"

#include "testing.h"

#define TAG "X-Cancel-Invite"

/* The edits, one a line: "- Name 1..2", "= Name: value", "+ Name: value". */
static struct buffer show(const struct header_edits *edits)
{
	struct buffer out = buffer_with_maximum(10000);

	assert_false(edits->failed);
	buffer_append_text(&out, "");
	for (size_t i = 0; i < edits->count; i++) {
		const struct header_edit *edit = &edits->items[i];

		if (edit->kind == HEADER_DELETE)
			buffer_printf(&out, "- %s %zu..%zu\n", edit->name, edit->first, edit->last);
		else
			buffer_printf(&out, "%c %s: %s\n", edit->kind == HEADER_CHANGE ? '=' : '+',
				      edit->name, edit->value);
	}
	return out;
}

/* `block`: "Name: value\n..."; each goes in as the MTA gives it. */
static struct headers gather(const char *block)
{
	struct headers headers = headers_new();
	struct span rest = span_of_text(block), name, value;

	while (field_next(&rest, &name, &value)) {
		char *name_text = strndup(name.at, name.length);
		char *value_text = strndup(value.at, value.length);

		headers_add(&headers, TAG, name_text, value_text, false);
		free(name_text);
		free(value_text);
	}
	assert_int_equal(rest.length, 0);
	return headers;
}

static const struct {
	const char *block;
	const char *content_type, *encoding; /* the top's new ones */
	const char *edits;
} rewrites[] = {
	{"Subject: x\n", "multipart/mixed; b", "",
	 "+ Content-Type: multipart/mixed; b\n"
	 "+ MIME-Version: 1.0\n"},
	{"MIME-Version: 1.0\nContent-Type: text/plain\n", "multipart/mixed; b", "",
	 "= Content-Type: multipart/mixed; b\n"},
	{"mime-version:  1.0 \nCONTENT-TYPE: text/plain\nContent-Transfer-Encoding: base64\n",
	 "multipart/mixed; b", "",
	 "= Content-Type: multipart/mixed; b\n"
	 "- Content-Transfer-Encoding 1..1\n"},
	{"MIME-Version: 1.0\nContent-Type: text/plain\nContent-Transfer-Encoding: 8bit\n",
	 "multipart/mixed; b", "8bit",
	 "= Content-Type: multipart/mixed; b\n"
	 "= Content-Transfer-Encoding: 8bit\n"},
	{"MIME-Version: 1.0\nContent-Type: text/plain\n", "multipart/mixed; b", "8bit",
	 "= Content-Type: multipart/mixed; b\n"
	 "+ Content-Transfer-Encoding: 8bit\n"},
	/* all others go inside, each name once, however often and however it is written */
	{"MIME-Version: 1.0\nContent-Type: a/b\nContent-ID: <1>\ncontent-id: <2>\n"
	 "Content-Language: de\nContent-Length: 5\nContent-Class: keep\n",
	 "multipart/mixed; b", "",
	 "- Content-ID 1..2\n"
	 "- Content-Language 1..1\n"
	 "- Content-Length 1..1\n"
	 "= Content-Type: multipart/mixed; b\n"},
	/* duplicates */
	{"MIME-Version: 1.0\nContent-Type: a/b\nContent-type: a/b\nContent-TYPE: a/b\n",
	 "multipart/mixed; b", "",
	 "- Content-Type 2..3\n"
	 "= Content-Type: multipart/mixed; b\n"},
	{"MIME-Version: 1.0\nContent-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: 8bit\n",
	 "multipart/mixed; b", "8bit",
	 "+ Content-Type: multipart/mixed; b\n"
	 "- Content-Transfer-Encoding 2..2\n"
	 "= Content-Transfer-Encoding: 8bit\n"},
	{"Content-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: 8bit\nMime-Version: 1.0\n",
	 "multipart/mixed; b", "",
	 "+ Content-Type: multipart/mixed; b\n"
	 "- Content-Transfer-Encoding 1..2\n"},
	/* MIME-Version: exactly one, 1.0 */
	{"MIME-Version: 1.0 (a comment)\n", "multipart/mixed; b", "",
	 "+ Content-Type: multipart/mixed; b\n"
	 "= MIME-Version: 1.0\n"},
	{"MIME-Version: 1.0\nMime-Version: 1.0\nMIME-Version: 2.0\n", "multipart/mixed; b", "",
	 "+ Content-Type: multipart/mixed; b\n"
	 "- MIME-Version 2..3\n"
	 "= MIME-Version: 1.0\n"},
	/* a mixed that stays: its own fields stay, but for a length that would now be wrong */
	{"MIME-Version: 1.0\nContent-Type: multipart/mixed; b\nContent-Length: 5\nContent-ID: <1>\n",
	 "", "", "- Content-Length 1..1\n"},
	{"MIME-Version: 1.0\nContent-Type: multipart/mixed; b\nContent-Transfer-Encoding: 7bit\n",
	 "", "8bit", "= Content-Transfer-Encoding: 8bit\n"},
	{"MIME-Version: 1.0\nContent-Type: multipart/mixed; b\n", "", "", ""},
};

static void changes_exactly_what_the_new_body_needs(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rewrites) / sizeof(rewrites[0]); i++) {
		struct headers headers = gather(rewrites[i].block);
		struct header_edits edits = {.count = 0};
		struct rewrite rewrite = {.transfer_encoding = rewrites[i].encoding};
		struct buffer shown;

		snprintf(rewrite.content_type, sizeof(rewrite.content_type), "%s",
			 rewrites[i].content_type);
		header_edits_follow_rewrite(&headers, &rewrite, &edits);
		shown = show(&edits);
		if (strcmp(shown.data, rewrites[i].edits) != 0)
			fail_msg("%s\ngives\n%s", rewrites[i].block, shown.data);
		buffer_free(&shown);
		header_edits_free(&edits);
		headers_free(&headers);
	}
}

static void all_tags_go_at_once(void **state)
{
	struct headers headers = gather("X-Cancel-Invite: a\nx-cancel-invite: b\nX-Other: c\n");
	struct header_edits edits = {.count = 0};
	struct buffer shown;

	(void)state;
	assert_int_equal(headers.tags, 2);
	assert_string_equal(headers.tag_value.data, " a");
	header_edits_strip_tags(&headers, TAG, &edits);
	shown = show(&edits);
	assert_string_equal(shown.data, "- X-Cancel-Invite 1..2\n");
	buffer_free(&shown);
	header_edits_free(&edits);
	headers_free(&headers);
}

static void without_a_tag_there_is_nothing_to_strip(void **state)
{
	struct headers headers = gather("X-Cancel-Invites: a\nCancel-Invite: b\n");
	struct header_edits edits = {.count = 0};

	(void)state;
	assert_int_equal(headers.tags, 0);
	header_edits_strip_tags(&headers, TAG, &edits);
	assert_int_equal(edits.count, 0);
	header_edits_free(&edits);
	headers_free(&headers);
}

static void keeps_the_content_fields_as_they_are(void **state)
{
	struct headers headers = headers_new();

	(void)state;
	headers_add(&headers, TAG, "Content-Type", " text/plain;\n\tcharset=x", false);
	headers_add(&headers, TAG, "content-ID", "<1>", true);
	headers_add(&headers, TAG, "Content-Class", " no", false);
	headers_add(&headers, TAG, "Contents", " no", false);
	headers_add(&headers, TAG, "Content-\xc3\xa4", " no", false);
	assert_string_equal(headers.content.data,
			    "Content-Type: text/plain;\n\tcharset=x\ncontent-ID: <1>\n");
	headers_free(&headers);
}

static void notes_who_wrote_it(void **state)
{
	struct headers headers = gather("From: A <a@b.example>\nMessage-ID: <1@b>\n"
					"DKIM-Signature: v=1\n");

	(void)state;
	assert_string_equal(headers.from, "a@b.example");
	assert_string_equal(headers.message_id, "<1@b>");
	assert_true(headers.signed_already);
	headers_clear(&headers);
	assert_string_equal(headers.from, "");
	assert_string_equal(headers.message_id, "");
	assert_false(headers.signed_already);
	assert_int_equal(headers.bytes, 0);
	headers_free(&headers);
}

/* Where the submission listener adds a Message-ID beside one that says nothing, it may stand before it. */
static void the_first_message_id_that_says_something_counts(void **state)
{
	static const char *const blocks[] = {
		"Message-ID: <1@b>\n",
		"Message-ID: \nMessage-ID: <1@b>\n",
		"Message-ID: <1@b>\nMessage-ID: \n",
		"Message-ID: <1@b>\nMessage-ID: <2@b>\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		struct headers headers = gather(blocks[i]);

		assert_string_equal(headers.message_id, "<1@b>");
		headers_free(&headers);
	}
}

static void very_long_values_are_cut_or_refused(void **state)
{
	struct headers headers = headers_new();
	char *text = text_of_length(100000, 'x');

	(void)state;
	headers_add(&headers, TAG, "Message-ID", text, false);
	assert_true(strlen(headers.message_id) < sizeof(headers.message_id));
	memcpy(text + 1000, "@x", 2);
	headers_add(&headers, TAG, "From", text, false);
	assert_true(strlen(headers.from) < sizeof(headers.from));
	headers_add(&headers, TAG, TAG, text, false);
	assert_true(headers.tag_value.failed);
	assert_int_equal(headers.tags, 1);
	headers_add(&headers, TAG, "Content-Type", text, false);
	assert_true(headers.content.failed);
	/* The next message is another one. */
	headers_clear(&headers);
	assert_false(headers.tag_value.failed);
	assert_false(headers.content.failed);
	headers_free(&headers);
	free(text);
}

static void content_fields_fit_exactly_or_not_at_all(void **state)
{
	static const char name[] = "Content-Description";
	/* name, ":", value, "\n" */
	const size_t room = HEADERS_CONTENT_MAXIMUM - (sizeof(name) - 1) - 2;
	char *text = text_of_length(room + 1, 'x');
	struct headers headers = headers_new();

	(void)state;
	headers_add(&headers, TAG, name, text, false);
	assert_true(headers.content.failed);
	headers_clear(&headers);
	text[room] = '\0';
	headers_add(&headers, TAG, name, text, false);
	assert_false(headers.content.failed);
	assert_int_equal(headers.content.length, HEADERS_CONTENT_MAXIMUM);
	headers_free(&headers);
	free(text);
}

static void a_name_longer_than_an_edit_can_hold_is_refused(void **state)
{
	char name[HEADERS_NAME_MAXIMUM + 2] = "Content-";
	struct headers headers = headers_new();

	(void)state;
	memset(name + 8, 'x', sizeof(name) - 10);
	assert_int_equal(strlen(name), HEADERS_NAME_MAXIMUM);
	headers_add(&headers, TAG, name, "", false);
	assert_false(headers.content.failed);
	name[HEADERS_NAME_MAXIMUM] = 'x';
	headers_add(&headers, TAG, name, "", false);
	assert_true(headers.content.failed);
	headers_free(&headers);
}

/* A stamp that came from outside beside the tag is told from it, and goes with the change. */
static void tells_stamps_from_tags(void **state)
{
	struct headers headers = headers_new();
	struct header_edits edits = {.count = 0};
	struct buffer shown;

	(void)state;
	headers_add(&headers, TAG, TAG, " v1; id=x; mac=1", false);
	headers_add(&headers, TAG, TAG, " a", false);
	headers_add(&headers, TAG, TAG, " v1;mac=2", false);
	assert_int_equal(headers.tags, 3);
	assert_int_equal(headers.stamps, 2);
	assert_string_equal(headers.tag_value.data, " a");
	assert_string_equal(headers.stamp_value.data, " v1; id=x; mac=1");
	header_edits_replace_tags(&headers, TAG, "new\n\tfolded", &edits);
	header_edits_add_field(&edits, "Message-ID", "<1@x>");
	shown = show(&edits);
	assert_string_equal(shown.data, "- " TAG " 2..3\n= " TAG ": new\n\tfolded\n"
					"+ Message-ID: <1@x>\n");
	buffer_free(&shown);
	header_edits_free(&edits);
	headers_clear(&headers);
	assert_int_equal(headers.stamps, 0);
	assert_int_equal(headers.stamp_value.length, 0);
	headers_free(&headers);
}

static void append_fields(struct buffer *block, const char *name, size_t count)
{
	for (size_t i = 0; i < count; i++)
		buffer_printf(block, "%s: 2.0\n", name);
}

/* How many commands to the MTA a list of changes is. */
static size_t commands(const struct header_edits *edits)
{
	size_t count = 0;

	for (size_t i = 0; i < edits->count; i++) {
		const struct header_edit *edit = &edits->items[i];

		count += edit->kind == HEADER_DELETE ? edit->last - edit->first + 1 : 1;
	}
	return count;
}

static void no_more_changes_than_announced(void **state)
{
	static const char *const names[] = {TAG,
					    "MIME-Version",
					    "Content-Type",
					    "Content-ID",
					    "Content-Transfer-Encoding",
					    "Content-Length"};
	const size_t kinds = sizeof(names) / sizeof(names[0]);

	(void)state;
	for (size_t each = 0; each < kinds; each++)
		for (size_t count = 0; count < 60; count++) {
			struct buffer block = buffer_with_maximum(10000);
			struct rewrite rewrite = {.content_type = "multipart/mixed; b",
						  .transfer_encoding = "8bit"};
			struct header_edits edits = {.count = 0};
			struct headers headers;

			buffer_append_text(&block, "Subject: x\n");
			append_fields(&block, names[each], count);
			headers = gather(block.data);
			if (headers.tags > 0)
				header_edits_replace_tags(&headers, TAG, "v1", &edits);
			header_edits_add_field(&edits, "Message-ID", "<1@x>");
			header_edits_follow_rewrite(&headers, &rewrite, &edits);
			if (headers_most_edits(&headers) <= HEADERS_EDITS_MAXIMUM)
				assert_true(commands(&edits) <= HEADERS_EDITS_MAXIMUM);
			else
				assert_true(count > HEADERS_EDITS_MAXIMUM - 5);
			header_edits_free(&edits);
			headers_free(&headers);
			buffer_free(&block);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_exactly_what_the_new_body_needs),
		cmocka_unit_test(all_tags_go_at_once),
		cmocka_unit_test(without_a_tag_there_is_nothing_to_strip),
		cmocka_unit_test(keeps_the_content_fields_as_they_are),
		cmocka_unit_test(notes_who_wrote_it),
		cmocka_unit_test(the_first_message_id_that_says_something_counts),
		cmocka_unit_test(very_long_values_are_cut_or_refused),
		cmocka_unit_test(content_fields_fit_exactly_or_not_at_all),
		cmocka_unit_test(tells_stamps_from_tags),
		cmocka_unit_test(no_more_changes_than_announced),
		cmocka_unit_test(a_name_longer_than_an_edit_can_hold_is_refused),
	};

	return cmocka_run_group_tests_name("headers", tests, NULL, NULL);
}
