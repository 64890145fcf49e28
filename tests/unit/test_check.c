/* The checks of a tagged message, each by itself. */
#include "check.h"

#include "testing.h"
#include "transactions.h"

static struct transaction transaction;
static struct verdict verdict;

static int begin_as(const struct transaction_origin *origin)
{
	transactions_begin(&transaction, origin);
	verdict = (struct verdict){.header = config.header, .outcome = OUTCOME_COUNT};
	return 0;
}

static int begin(void **state)
{
	const struct transaction_origin origin = transactions_origin();

	(void)state;
	transactions_reset();
	return begin_as(&origin);
}

static int end(void **state)
{
	(void)state;
	transaction_free(&transaction);
	return 0;
}

/* Begins anew, where a test needs another configuration or origin. */
static void begin_again(const struct transaction_origin *origin)
{
	transaction_free(&transaction);
	begin_as(origin);
}

static void begin_direct(void)
{
	const struct transaction_origin origin = transactions_origin();

	config.mode = MODE_DIRECT;
	begin_again(&origin);
}

static void begin_second(void)
{
	struct transaction_origin origin = transactions_origin();

	origin.daemon = "second";
	begin_again(&origin);
}

static void add_recipients(const char *const *recipients)
{
	for (; *recipients; recipients++)
		transaction_add_recipient(&transaction, *recipients, NULL);
}

#define recipients(...) add_recipients((const char *const[]){__VA_ARGS__, NULL})

static void check_refused(enum outcome outcome, const char *text, const char *file, int line)
{
	if (verdict.outcome != outcome) {
		print_error("%s\n", verdict.outcome == OUTCOME_COUNT
					    ? "nothing was refused"
					    : outcome_word(verdict.outcome));
		_fail(file, line);
	}
	check_contains(verdict.text, text, file, line);
	/* Only what is proven is permanent, and each reply begins with the header's name. */
	check_contains(verdict.text, "X-Cancel-Invite: ", file, line);
}

#define assert_refused(check, outcome, text)                                                       \
	do {                                                                                       \
		assert_false(check);                                                               \
		check_refused(outcome, text, __FILE__, __LINE__);                                  \
	} while (0)

/* ---- tag ---- */

static void one_tag_is_read(void **state)
{
	struct tag tag;

	(void)state;
	transactions_header(&transaction, "X-Cancel-Invite", "booking-4711; recipient=a@b.example");
	assert_true(check_tag(&transaction, &tag, &verdict));
	assert_string_equal(tag.id, "booking-4711");
	assert_string_equal(tag.recipient, "a@b.example");
}

static void two_tags_are_refused(void **state)
{
	struct tag tag;

	(void)state;
	transactions_header(&transaction, "X-Cancel-Invite", "one");
	transactions_header(&transaction, "x-cancel-invite", "two");
	assert_refused(check_tag(&transaction, &tag, &verdict), OUTCOME_BAD_TAG,
		       "2 of them in one message");
}

static void a_tag_that_makes_no_sense_is_quoted(void **state)
{
	static const struct {
		const char *value, *text;
	} cases[] = {
		{"", "it is empty"},
		{"\"open", "never closed; the value is \"\"open\""},
		{"id; colour=red", "unknown parameter \"colour\""},
		{"=?utf-8?B?!?=", "cannot be decoded"},
	};
	const struct transaction_origin origin = transactions_origin();
	struct tag tag;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin_again(&origin);
		transactions_header(&transaction, "X-Cancel-Invite", cases[i].value);
		assert_refused(check_tag(&transaction, &tag, &verdict), OUTCOME_BAD_TAG,
			       cases[i].text);
	}
}

static void a_tag_that_is_too_long_is_wrong_and_one_without_memory_is_not(void **state)
{
	char *value = text_of_length(HEADERS_TAG_MAXIMUM + 1, 'x');
	struct tag tag;

	(void)state;
	transactions_header(&transaction, "X-Cancel-Invite", value);
	assert_refused(check_tag(&transaction, &tag, &verdict), OUTCOME_BAD_TAG, "too long");
	transaction.headers.tag_value.out_of_memory = true;
	assert_refused(check_tag(&transaction, &tag, &verdict), OUTCOME_FAILED, "no memory");
	free(value);
}

static void a_stamp_is_no_tag(void **state)
{
	struct tag tag;

	(void)state;
	transactions_header(&transaction, "X-Cancel-Invite",
			    "v1;account=acme;id=\"x\";time=1;mac=0");
	assert_refused(check_tag(&transaction, &tag, &verdict), OUTCOME_BAD_TAG, "stamp");
}

static void many_headers_that_would_change_are_refused(void **state)
{
	(void)state;
	assert_true(check_edits(&transaction, &verdict));
	for (int i = 0; i < HEADERS_EDITS_MAXIMUM; i++)
		transactions_header(&transaction, "Content-Language", "en");
	transactions_header(&transaction, "X-Cancel-Invite", "id");
	assert_refused(check_edits(&transaction, &verdict), OUTCOME_BAD_HEADERS, "at most 50");
}

static void content_headers_without_memory_are_not_too_large(void **state)
{
	(void)state;
	assert_true(check_content(&transaction, &verdict));
	transaction.headers.content.failed = true;
	assert_refused(check_content(&transaction, &verdict), OUTCOME_BAD_HEADERS, "too large");
	transaction.headers.content.out_of_memory = true;
	assert_refused(check_content(&transaction, &verdict), OUTCOME_FAILED, "no memory");
}

/* ---- sender, account ---- */

static void a_sender_is_what_the_mta_read(void **state)
{
	struct transaction_origin origin = transactions_origin();

	(void)state;
	assert_true(check_sender(&transaction, &verdict));
	origin.sender = "<app@acme.example@evil.example>";
	origin.parsed_sender = "app@acme.example@evil.example";
	begin_again(&origin);
	assert_refused(check_sender(&transaction, &verdict), OUTCOME_BAD_SENDER,
		       "not one plain address");
}

static void a_sender_without_domain_is_no_good_for_a_stamp(void **state)
{
	struct transaction_origin origin = transactions_origin();

	(void)state;
	origin.sender = origin.parsed_sender = "root";
	begin_again(&origin);
	assert_refused(check_sender(&transaction, &verdict), OUTCOME_BAD_SENDER, "no domain");
	config.mode = MODE_DIRECT;
	begin_again(&origin);
	assert_true(check_sender(&transaction, &verdict));
}

static void an_account_is_the_logins_or_the_senders(void **state)
{
	struct transaction_origin origin = transactions_origin();
	const struct account *account;

	(void)state;
	assert_true(check_account(&transaction, &account, &verdict));
	assert_string_equal(account->name, "acme");
	origin.login = "";
	origin.sender = origin.parsed_sender = "sales@globex.example";
	begin_again(&origin);
	assert_true(check_account(&transaction, &account, &verdict));
	assert_string_equal(account->name, "globex");
	origin.sender = origin.parsed_sender = "me@elsewhere.example";
	begin_again(&origin);
	assert_refused(check_account(&transaction, &account, &verdict), OUTCOME_NO_ACCOUNT,
		       "me@elsewhere.example");
}

static void a_login_that_is_too_long_has_no_account(void **state)
{
	struct transaction_origin origin = transactions_origin();
	char *login = text_of_length(300, 'x');
	const struct account *account;

	(void)state;
	origin.login = login;
	begin_again(&origin);
	assert_refused(check_account(&transaction, &account, &verdict), OUTCOME_NO_ACCOUNT,
		       "too long");
	free(login);
}

/* ---- organizer ---- */

static void strict_calendar_wants_from_to_be_the_organizer(void **state)
{
	const struct {
		const char *from;
		bool good;
	} cases[] = {
		{"Desk <Desk@shop.example>", true},
		{"desk@SHOP.example", true},
		{"\"Desk, the <one>\" <desk@shop.example>", true},
		{"desk@shop.example.evil.example", false},
		{"desk@shop.exampl", false},
		{"\"desk@shop.example\" <other@shop.example>", false},
		{NULL, false},
	};
	const struct transaction_origin origin = transactions_origin();
	const struct request request = {.account = &accounts[0]};

	(void)state;
	accounts[0].organizer = (char[]){"desk@shop.example"};
	config.strict_calendar = true;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin_again(&origin);
		if (cases[i].from)
			transactions_header(&transaction, "From", cases[i].from);
		if (cases[i].good)
			assert_true(check_organizer(&transaction, &request, &verdict));
		else
			assert_refused(check_organizer(&transaction, &request, &verdict),
				       OUTCOME_NOT_ORGANIZER, "From: desk@shop.example");
	}
}

static void the_organizer_matters_only_where_it_is_known_and_asked_for(void **state)
{
	const struct request request = {.account = &accounts[0]};
	const struct request probe = {.account = &accounts[0], .tag = {.probe = true}};

	(void)state;
	transactions_header(&transaction, "From", "app@acme.example");
	config.strict_calendar = true;
	assert_true(check_organizer(&transaction, &request, &verdict));
	accounts[0].organizer = (char[]){"desk@shop.example"};
	assert_false(check_organizer(&transaction, &request, &verdict));
	assert_true(check_organizer(&transaction, &probe, &verdict));
	config.strict_calendar = false;
	assert_true(check_organizer(&transaction, &request, &verdict));
}

/* ---- recipients ---- */

static void each_role_takes_its_number_of_recipients(void **state)
{
	const struct tag plain = {.id = "x"}, names_one = {.id = "x", .recipient = "a@b.example"};

	(void)state;
	recipients("<a@b.example>", "<c@d.example>");
	assert_true(check_recipient_count(&transaction, &plain, &verdict));
	assert_refused(check_recipient_count(&transaction, &names_one, &verdict),
		       OUTCOME_TOO_MANY_RECIPIENTS, "names one recipient, but the message has 2");
	begin_second();
	recipients("<a@b.example>", "<c@d.example>");
	assert_refused(check_recipient_count(&transaction, &plain, &verdict), OUTCOME_MISCONFIGURED,
		       "2 recipients came to the second listener");
	begin_direct();
	recipients("<a@b.example>");
	assert_true(check_recipient_count(&transaction, &plain, &verdict));
	recipients("<c@d.example>");
	assert_refused(check_recipient_count(&transaction, &plain, &verdict),
		       OUTCOME_TOO_MANY_RECIPIENTS, "send one message to each");
}

static void recipients_without_memory_are_not_too_many(void **state)
{
	const struct tag tag = {.id = "x"};

	(void)state;
	transaction.envelope.text.failed = true;
	assert_refused(check_recipient_count(&transaction, &tag, &verdict),
		       OUTCOME_TOO_MANY_RECIPIENTS, "too many recipients");
	transaction.envelope.text.out_of_memory = true;
	assert_refused(check_recipient_count(&transaction, &tag, &verdict), OUTCOME_FAILED,
		       "no memory");
}

static void each_recipient_can_be_an_invites(void **state)
{
	const struct tag plain = {.id = "x"}, names_one = {.id = "x", .recipient = "a@b.example"};

	(void)state;
	recipients("<a@b.example>", "<postmaster>");
	assert_refused(check_recipients(&transaction, &plain, &verdict), OUTCOME_BAD_RECIPIENT,
		       "\"postmaster\" is not of the form user@domain");
	assert_true(check_recipients(&transaction, &names_one, &verdict));
	config.route = ROUTE_DOMAIN;
	assert_refused(check_recipients(&transaction, &names_one, &verdict), OUTCOME_BAD_RECIPIENT,
		       "cannot be queued");
}

static void the_suffix_is_ours_alone(void **state)
{
	(void)state;
	recipients("<a@b.example" ENVELOPE_SUFFIX ">");
	assert_true(check_suffix(&transaction, &verdict));
	config.route = ROUTE_DOMAIN;
	assert_refused(check_suffix(&transaction, &verdict), OUTCOME_RESERVED_DOMAIN,
		       ENVELOPE_SUFFIX);
	begin_second();
	recipients("<a@b.example" ENVELOPE_SUFFIX ">");
	assert_true(check_suffix(&transaction, &verdict));
}

static void an_invite_is_that_of_whom_the_sender_wrote_to(void **state)
{
	char *const parameters[] = {"ORCPT=rfc822;team@acme.example", NULL};
	const struct tag plain = {.id = "x"}, names_one = {.id = "x", .recipient = "a@b.example"};
	char recipient[ADDRESS_MAXIMUM + 1];

	(void)state;
	begin_second();
	transaction_add_recipient(&transaction, "<ada@acme.example>", parameters);
	assert_true(check_invite_recipient(&transaction, &plain, recipient, &verdict));
	assert_string_equal(recipient, "team@acme.example");
	assert_true(check_invite_recipient(&transaction, &names_one, recipient, &verdict));
	assert_string_equal(recipient, "a@b.example");
	begin_direct(); /* no alias was expanded yet */
	transaction_add_recipient(&transaction, "<ada@acme.example>", parameters);
	assert_true(check_invite_recipient(&transaction, &plain, recipient, &verdict));
	assert_string_equal(recipient, "ada@acme.example");
	begin_direct();
	assert_refused(check_invite_recipient(&transaction, &plain, recipient, &verdict),
		       OUTCOME_BAD_RECIPIENT, "not of the form");
}

/* ---- size, listener ---- */

static void a_message_is_as_large_as_was_seen_or_announced(void **state)
{
	struct transaction_origin origin = transactions_origin();

	(void)state;
	transactions_header(&transaction, "Subject", "hello"); /* 7 + 5 + 3 bytes */
	assert_true(check_size(&transaction, 10000 - 15, &verdict));
	assert_refused(check_size(&transaction, 10000 - 14, &verdict), OUTCOME_TOO_LARGE,
		       "larger than 10000 bytes");
	origin.size = 10001;
	begin_again(&origin);
	assert_refused(check_size(&transaction, 0, &verdict), OUTCOME_TOO_LARGE, "larger");
	config.mode = MODE_DIRECT; /* which sees it itself */
	begin_again(&origin);
	assert_true(check_size(&transaction, 0, &verdict));
}

static void routed_mode_is_for_the_second_listener_and_this_machine_alone(void **state)
{
	struct sockaddr_in client = {.sin_family = AF_INET};
	struct transaction_origin origin = transactions_origin();

	(void)state;
	assert_true(check_listener(&transaction, &verdict));
	config.mode = MODE_ROUTED;
	begin_again(&origin);
	assert_refused(check_listener(&transaction, &verdict), OUTCOME_MISCONFIGURED,
		       "not named like queue_daemon");
	origin.daemon = "second";
	origin.client = (const struct sockaddr *)&client;
	client.sin_addr.s_addr = inet_addr("192.0.2.1");
	begin_again(&origin);
	assert_refused(check_listener(&transaction, &verdict), OUTCOME_MISCONFIGURED, "elsewhere");
	client.sin_addr.s_addr = inet_addr("127.0.0.1");
	begin_again(&origin);
	assert_true(check_listener(&transaction, &verdict));
}

/* ---- shape ---- */

static bool shape_of(const char *content_type, const char *body)
{
	struct attach attach;
	struct problem why;
	bool good;

	transactions_header(&transaction, "Content-Type", content_type);
	assert_true(attach_begin(&attach, &transaction.headers, 1000, "/tmp", &why));
	assert_true(attach_add(&attach, body, strlen(body), &why));
	good = check_shape(&attach, &verdict);
	attach_free(&attach);
	return good;
}

static void a_text_can_take_a_calendar(void **state)
{
	(void)state;
	assert_true(shape_of("text/plain", "hello\r\n"));
}

static void an_encrypted_message_cannot_take_a_calendar(void **state)
{
	(void)state;
	assert_refused(shape_of("application/pkcs7-mime; smime-type=enveloped-data", "MII"),
		       OUTCOME_BAD_SHAPE, "cannot take a calendar");
}

#define test(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(one_tag_is_read),
		test(two_tags_are_refused),
		test(a_tag_that_makes_no_sense_is_quoted),
		test(a_tag_that_is_too_long_is_wrong_and_one_without_memory_is_not),
		test(a_stamp_is_no_tag),
		test(many_headers_that_would_change_are_refused),
		test(content_headers_without_memory_are_not_too_large),
		test(a_sender_is_what_the_mta_read),
		test(a_sender_without_domain_is_no_good_for_a_stamp),
		test(an_account_is_the_logins_or_the_senders),
		test(a_login_that_is_too_long_has_no_account),
		test(strict_calendar_wants_from_to_be_the_organizer),
		test(the_organizer_matters_only_where_it_is_known_and_asked_for),
		test(each_role_takes_its_number_of_recipients),
		test(recipients_without_memory_are_not_too_many),
		test(each_recipient_can_be_an_invites),
		test(the_suffix_is_ours_alone),
		test(an_invite_is_that_of_whom_the_sender_wrote_to),
		test(a_message_is_as_large_as_was_seen_or_announced),
		test(routed_mode_is_for_the_second_listener_and_this_machine_alone),
		test(a_text_can_take_a_calendar),
		test(an_encrypted_message_cannot_take_a_calendar),
	};

	return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
