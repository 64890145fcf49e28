/* What header blocks say about the entity under them. */
#include "entity.h"

#include "testing.h"

static struct entity read_block(const char *block)
{
	struct entity entity;

	entity_read(&entity, span_of_text(block));
	return entity;
}

static struct entity read_type(const char *content_type)
{
	char block[512];

	snprintf(block, sizeof(block), "Content-Type: %s\r\n", content_type);
	return read_block(block);
}

static const struct {
	const char *type;
	enum entity_kind kind;
} kinds[] = {
	{"text/plain", KIND_TEXT},
	{"TEXT/HTML; charset=x", KIND_TEXT},
	{"nonsense", KIND_TEXT},
	{"", KIND_TEXT},
	{"multipart/alternative", KIND_ALTERNATIVE},
	{"Multipart/Related; type=\"text/html\"", KIND_RELATED},
	{"multipart/mixed", KIND_MIXED},
	{"multipart/signed", KIND_OTHER_MULTIPART},
	{"multipart/digest", KIND_OTHER_MULTIPART},
	{"multipart/x-unknown", KIND_OTHER_MULTIPART},
	{"multipart/encrypted", KIND_ENCRYPTED},
	{"multipart/report", KIND_UNDELIVERED},
	{"message/partial", KIND_UNDELIVERED},
	{"message/rfc822", KIND_FILE},
	{"image/png", KIND_FILE},
	{"application/pdf", KIND_FILE},
	{"application/pkcs7-mime", KIND_ENCRYPTED},
	{"application/pkcs7-mime; smime-type=enveloped-data", KIND_ENCRYPTED},
	{"application/pkcs7-mime; smime-type=authEnveloped-data", KIND_ENCRYPTED},
	{"application/x-pkcs7-mime; smime-type=\"Signed-Data\"", KIND_FILE},
	{"application/pkcs7-mime; smime-type=certs-only", KIND_FILE},
	{"application/pkcs7-mime; smime-type=signed-data; smime-type=enveloped-data", KIND_ENCRYPTED},
	{"application/pkcs7-signature", KIND_FILE},
};

static void knows_kinds_by_their_type(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct entity entity = read_type(kinds[i].type);

		if (entity.kind != kinds[i].kind)
			fail_msg("%s: %d", kinds[i].type, (int)entity.kind);
		assert_false(entity.untyped);
		assert_null(entity.trouble);
		assert_int_equal(entity_is_multipart(&entity),
				 kinds[i].kind >= KIND_ALTERNATIVE &&
					 kinds[i].kind <= KIND_OTHER_MULTIPART);
	}
}

static void without_a_type_it_is_text(void **state)
{
	struct entity entity = read_block("");

	(void)state;
	assert_int_equal(entity.kind, KIND_TEXT);
	assert_true(entity.untyped);
	assert_false(entity.headers_malformed);
}

static const struct {
	const char *type;
	bool trouble;
} troubles[] = {
	{"text/calendar; method=REQUEST", true},
	{"Text/Calendar; charset=x; METHOD=\"cancel\"", true},
	{"text/calendar; method=a; method=b", true},
	{"text/calendar; method*=utf-8''x", true},
	{"text/calendar", true},
	{"text/x-vCalendar", true},
	{"application/ICS; method=x", true},
	{"application/x-ics", true},
	{"text/plain; method=x", false},
	{"text/calendars", false},
	{"image/calendar", false},
	/* by name */
	{"a/b; name=invite.ics", true},
	{"a/b; name=\"Invite.ICS\"", true},
	{"a/b; name=\".ics\"", true},
	{"a/b; name=\"x.ics. . \"", true},
	{"a/b; name=x; name=y.ics", true},
	{"a/b; name*=utf-8'de'f%C3%BCr%2E%69cs", true},
	{"a/b; name*1=s; name*0=a.ic", true},
	{"a/b; name=a.txt; name*=''a.ics", true},
	{"a/b; name=\"=?utf-8?B?YS5pY3M=?=\"", true},
	{"a/b; name=\"=?x?Q?a?= =?y?Q?.ics?=\"", true},
	{"nonsense; name=invite.ics", true},
	{"a/b; name=ics", false},
	{"a/b; name=a.ics.zip", false},
	{"a/b; name=\"a.ics b\"", false},
	{"a/b; filename=a.ics", false}, /* that is Content-Disposition's */
	{"a/b; name=\"=?utf-8?B?YS5pY3M\"", false},
	{"application/ms-tnef", true},
	{"application/vnd.ms-tnef; name=winmail.dat", true},
	{"x/ms-tnef", false},
};

static void a_calendar_or_a_winmail_dat_is_trouble(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(troubles) / sizeof(troubles[0]); i++)
		if ((read_type(troubles[i].type).trouble != NULL) != troubles[i].trouble)
			fail_msg("%s", troubles[i].type);
}

#define SEVENTY "0123456789012345678901234567890123456789012345678901234567890123456789"

static const struct {
	const char *type, *boundary; /* NULL: unusable */
} boundaries[] = {
	{"multipart/mixed; boundary=abc", "abc"},
	{"multipart/mixed; boundary=\"a b\"", "a b"},
	{"multipart/mixed; boundary=\"=_'()+,-./:=?\"", "=_'()+,-./:=?"},
	{"multipart/mixed; boundary=" SEVENTY, SEVENTY},
	{"multipart/mixed; boundary=" SEVENTY "0", NULL},
	{"multipart/mixed; boundary=\"abc \"", NULL},
	{"multipart/mixed; boundary=\"\"", NULL},
	{"multipart/mixed; boundary=\"a\tb\"", NULL},
	{"multipart/mixed; boundary=\"a\xc3\xa4\"", NULL},
	{"multipart/mixed; boundary=\"a\x7f\"", NULL},
	{"multipart/mixed", NULL},
	{"multipart/mixed; boundary=a; boundary=b", NULL},
};

static void a_boundary_is_usable_if_it_is_by_the_book(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(boundaries) / sizeof(boundaries[0]); i++) {
		struct entity entity = read_type(boundaries[i].type);

		if (entity.boundary_usable != (boundaries[i].boundary != NULL))
			fail_msg("%s", boundaries[i].type);
		if (entity.boundary_usable)
			assert_string_equal(entity.boundary, boundaries[i].boundary);
	}
}

static void an_encoded_multipart_is_not_looked_into(void **state)
{
	(void)state;
	assert_false(read_block("Content-Type: multipart/mixed; boundary=a\n"
				"Content-Transfer-Encoding: base64\n").boundary_usable);
	assert_false(read_block("Content-Transfer-Encoding: Quoted-Printable\n"
				"Content-Type: multipart/mixed; boundary=a\n").boundary_usable);
	assert_true(read_block("Content-Transfer-Encoding: 8BIT\n"
			       "Content-Type: multipart/mixed; boundary=a\n").boundary_usable);
	assert_true(read_block("Content-Transfer-Encoding: (c) binary\n"
			       "Content-Type: multipart/mixed; boundary=a\n").boundary_usable);
}

static void two_different_types_are_malformed_two_equal_ones_are_not(void **state)
{
	struct entity entity = read_block("Content-Type: text/plain\nContent-Type:  text/plain \n");

	(void)state;
	assert_false(entity.headers_malformed);
	assert_true(read_block("Content-Type: text/plain\nContent-Type: text/html\n")
			    .headers_malformed);
	assert_true(read_block("Content-Type: text/plain\nContent-Type: text/plain; a=b\n")
			    .headers_malformed);
	assert_true(read_block("Content-Type: text/plain\nContent-Type: text/other\n")
			    .headers_malformed);
	/* The trouble of either is seen. */
	assert_non_null(read_block("Content-Type: text/plain\n"
				   "Content-Type: text/calendar; method=CANCEL\n").trouble);
}

static void a_line_that_is_no_field_is_malformed(void **state)
{
	(void)state;
	assert_true(read_block("Content-Type: text/plain\nnonsense\n").headers_malformed);
	assert_true(read_block(" Content-Type: text/plain\n").headers_malformed);
	assert_false(read_block("X: y\n").headers_malformed);
}

static void knows_attachments_and_ids(void **state)
{
	struct entity entity = read_block("Content-Disposition: ATTACHMENT; filename=x\r\n"
					  "Content-ID: <a@b>\r\n");

	(void)state;
	assert_true(entity.attachment);
	assert_string_equal(entity.content_id, "<a@b>");
	assert_false(read_block("Content-Disposition: inline\n").attachment);
	assert_false(read_block("Content-Disposition: attachments\n").attachment);
	entity = read_type("multipart/related; boundary=a; start=\"<root>\"");
	assert_string_equal(entity.start, "<root>");
}

static void ids_too_long_are_cut(void **state)
{
	char block[1000];
	struct entity entity;

	(void)state;
	snprintf(block, sizeof(block), "Content-ID: %0600d\n", 0);
	entity = read_block(block);
	assert_int_equal(strlen(entity.content_id), ENTITY_ID_MAXIMUM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_kinds_by_their_type),
		cmocka_unit_test(without_a_type_it_is_text),
		cmocka_unit_test(a_calendar_or_a_winmail_dat_is_trouble),
		cmocka_unit_test(a_boundary_is_usable_if_it_is_by_the_book),
		cmocka_unit_test(an_encoded_multipart_is_not_looked_into),
		cmocka_unit_test(two_different_types_are_malformed_two_equal_ones_are_not),
		cmocka_unit_test(a_line_that_is_no_field_is_malformed),
		cmocka_unit_test(knows_attachments_and_ids),
		cmocka_unit_test(ids_too_long_are_cut),
	};

	return cmocka_run_group_tests_name("entity", tests, NULL, NULL);
}
