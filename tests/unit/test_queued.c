/* Stamps made at submission and read after the queue. */
#include "queued.h"

#include "testing.h"
#include "transactions.h"

#define NOW 1764000000

static struct transaction transaction;
static struct verdict verdict;
static struct request request;
static struct header_edits edits;

static void begin_as(const char *daemon, const char *sender, const char *message_id)
{
	struct transaction_origin origin = transactions_origin();

	origin.daemon = daemon;
	origin.sender = origin.parsed_sender = sender;
	transactions_begin(&transaction, &origin);
	if (message_id)
		transactions_header(&transaction, "Message-ID", message_id);
	verdict = (struct verdict){.header = config.header, .outcome = OUTCOME_COUNT};
	request = (struct request){.account = &accounts[0]};
}

static int begin(void **state)
{
	(void)state;
	transactions_reset();
	begin_as("", "app@acme.example", "<1@acme.example>");
	return 0;
}

static int end(void **state)
{
	(void)state;
	transaction_free(&transaction);
	header_edits_free(&edits);
	return 0;
}

/* The stamp that submission makes, as the MTA would have it; the caller frees it. */
static char *make_stamp(long long now)
{
	char *value;

	transactions_header(&transaction, "X-Cancel-Invite", "booking-4711");
	strcpy(request.tag.id, "booking-4711");
	strcpy(request.tag.recipient, "a@b.example");
	assert_true(transaction_ensure_message_id(&transaction));
	assert_true(queued_stamp(&transaction, &request, now, &edits, &verdict));
	value = strdup(edits.items[edits.count - 1].value);
	assert_non_null(value);
	transaction_free(&transaction);
	return value;
}

/* The same message at the second listener. */
static void begin_second(const char *sender, const char *message_id, const char *stamp)
{
	begin_as("second", sender, message_id);
	request = (struct request){.account = NULL};
	transactions_header(&transaction, "X-Cancel-Invite", stamp);
}

static bool check(long long now, bool trusted)
{
	return queued_check_header(&transaction, &verdict) &&
	       queued_check_stamp(&transaction, (struct queued_now){now, trusted}, &request,
				  &verdict);
}

static void a_stamp_says_what_the_tag_said(void **state)
{
	char *stamp = make_stamp(NOW);

	(void)state;
	begin_second("App@ACME.example", "<1@acme.example>", stamp);
	assert_true(check(NOW + 1000, true));
	assert_string_equal(request.tag.id, "booking-4711");
	assert_string_equal(request.tag.recipient, "a@b.example");
	assert_string_equal(request.account->name, "acme");
	assert_true(request.stamped);
	free(stamp);
}

static void a_message_id_is_made_where_there_is_none(void **state)
{
	char *stamp, id[256];

	(void)state;
	transaction_free(&transaction);
	begin_as("", "app@acme.example", NULL);
	assert_true(transaction_ensure_message_id(&transaction));
	snprintf(id, sizeof(id), "%s", transaction.headers.message_id);
	assert_contains(id, "@mail.acme.example>");
	stamp = make_stamp(NOW);
	assert_int_equal(edits.items[0].kind, HEADER_ADD);
	assert_string_equal(edits.items[0].name, "Message-ID");
	assert_string_equal(edits.items[0].value, id);
	begin_second("app@acme.example", id, stamp);
	assert_true(check(NOW, true));
	free(stamp);
}

static void a_stamp_is_for_its_sender_and_message(void **state)
{
	static const char *const others[][2] = {
		{"eve@acme.example", "<1@acme.example>"},
		{"app@acme.example", "<2@acme.example>"},
	};
	char *stamp = make_stamp(NOW);

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		if (i > 0)
			transaction_free(&transaction);
		begin_second(others[i][0], others[i][1], stamp);
		assert_false(check(NOW, true));
		assert_int_equal(verdict.outcome, OUTCOME_BAD_STAMP);
		assert_null(request.account);
	}
	free(stamp);
}

static void an_old_stamp_is_refused_where_the_time_is_certain(void **state)
{
	char *stamp = make_stamp(NOW);

	(void)state;
	begin_second("app@acme.example", "<1@acme.example>", stamp);
	assert_false(check(NOW + 1001, false));
	assert_int_equal(verdict.outcome, OUTCOME_MISCONFIGURED);
	assert_false(check(NOW + 1001, true));
	assert_int_equal(verdict.outcome, OUTCOME_BAD_STAMP);
	free(stamp);
}

static void what_there_was_no_memory_for_is_not_forged(void **state)
{
	char *stamp = make_stamp(NOW);

	(void)state;
	begin_second("app@acme.example", "<1@acme.example>", stamp);
	transaction.headers.stamp_value.out_of_memory = true;
	assert_false(check(NOW, true));
	assert_int_equal(verdict.outcome, OUTCOME_FAILED);
	assert_int_equal(verdict.action, ACTION_DEFER);
	free(stamp);
}

static void stamped_mail_waits_for_its_account_and_in_a_dry_run(void **state)
{
	char *stamp = make_stamp(NOW);

	(void)state;
	begin_second("app@acme.example", "<1@acme.example>", stamp);
	config.dry_run = true;
	assert_false(check(NOW, true));
	assert_int_equal(verdict.outcome, OUTCOME_MISCONFIGURED);
	config.dry_run = false;
	accounts[0].name = "renamed";
	assert_false(check(NOW, true));
	assert_int_equal(verdict.outcome, OUTCOME_MISCONFIGURED);
	assert_contains(verdict.text, "account acme");
	free(stamp);
}

static void the_second_listener_takes_one_stamp_and_nothing_beside_it(void **state)
{
	char *stamp = make_stamp(NOW);

	(void)state;
	begin_as("second", "app@acme.example", "<1@acme.example>");
	assert_false(queued_check_header(&transaction, &verdict));
	assert_int_equal(verdict.outcome, OUTCOME_MISCONFIGURED);
	transactions_header(&transaction, "X-Cancel-Invite", "booking-4711");
	assert_false(queued_check_header(&transaction, &verdict));
	assert_int_equal(verdict.outcome, OUTCOME_BAD_STAMP);
	transactions_header(&transaction, "X-Cancel-Invite", stamp);
	assert_false(queued_check_header(&transaction, &verdict));
	assert_int_equal(verdict.outcome, OUTCOME_BAD_STAMP);
	free(stamp);
}

#define test(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_stamp_says_what_the_tag_said),
		test(a_message_id_is_made_where_there_is_none),
		test(a_stamp_is_for_its_sender_and_message),
		test(an_old_stamp_is_refused_where_the_time_is_certain),
		test(what_there_was_no_memory_for_is_not_forged),
		test(stamped_mail_waits_for_its_account_and_in_a_dry_run),
		test(the_second_listener_takes_one_stamp_and_nothing_beside_it),
	};

	return cmocka_run_group_tests_name("queued", tests, NULL, NULL);
}
