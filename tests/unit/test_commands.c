/* The table of commands, and the command line that it is read by. */
#include "command.h"
#include "invocation.h"

#include "testing.h"

#include <getopt.h>

static void every_row_is_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < command_count; i++) {
		const struct command *command = &commands[i];

		assert_non_null(command->run);
		assert_non_null(command->about);
		assert_int_equal(command->required & ~command->options, 0);
		assert_int_equal(command->operands != NULL, command->most > 0);
		assert_true(command->least <= command->most);
		/* What runs if nothing is said is the first row, and no other. */
		assert_int_equal(command->letter || command->name, i > 0);
		/* A command that takes -c does so because it needs the configuration. */
		assert_int_equal(command->needs != COMMAND_NEEDS_NOTHING,
				 (command->options & COMMAND_CONFIG_FILE) != 0);
		for (size_t j = 0; j < i; j++) {
			assert_true(!command->letter || command->letter != commands[j].letter);
			assert_true(!command->name || !commands[j].name ||
				    strcmp(command->name, commands[j].name) != 0);
		}
	}
}

/* Reads a command line of words that blanks separate. */
static bool read_line(struct invocation *invocation, const char *line)
{
	static char copy[256];
	static char *arguments[16];
	char *rest = copy;
	int count = 0;

	snprintf(copy, sizeof(copy), "program %s", line);
	for (char *word; (word = strsep(&rest, " ")) != NULL;)
		arguments[count++] = word;
	arguments[count] = NULL;
	optind = 0; /* glibc: begin anew */
	return invocation_read(invocation, count, arguments);
}

/* Whatever the table has, what was asked for is what runs: never another row, the daemon least. */
static void each_command_is_found_by_its_option(void **state)
{
	(void)state;
	for (size_t i = 1; i < command_count; i++) {
		const struct command *command = &commands[i];
		const char *argument = command->argument ? " x" : "";
		const char *calendar = command->required & COMMAND_CALENDAR ? " --calendar y" : "";
		const char *operand = command->least > 0 ? " z" : "";
		struct invocation invocation;
		char line[128];

		if (command->name) {
			snprintf(line, sizeof(line), "--%s%s%s%s", command->name, argument,
				 calendar, operand);
			assert_true(read_line(&invocation, line));
			assert_ptr_equal(invocation.command, command);
		}
		if (command->letter) {
			snprintf(line, sizeof(line), "-%c%s%s%s", command->letter, argument,
				 calendar, operand);
			assert_true(read_line(&invocation, line));
			assert_ptr_equal(invocation.command, command);
		}
	}
}

static void what_is_given_is_where_the_command_looks(void **state)
{
	struct invocation invocation;

	(void)state;
	assert_true(read_line(&invocation, "-c file --try message -f sender a@b c@d"));
	assert_string_equal(invocation.config_file, "file");
	assert_string_equal(invocation.argument, "message");
	assert_string_equal(invocation.sender, "sender");
	assert_int_equal(invocation.operand_count, 2);
	assert_string_equal(invocation.operands[1], "c@d");
	assert_true(read_line(&invocation, "--report --json --since 2h"));
	assert_int_equal(invocation.since, 7200000);
	assert_true(invocation.json);
	assert_string_equal(invocation.config_file, CONFIG_FILE);
	assert_true(read_line(&invocation, "--report"));
	assert_int_equal(invocation.since, -1);
}

static void what_does_not_go_together_is_refused(void **state)
{
	static const char *const lines[] = {
		"stray",
		"-n stray",
		"-n --keys",
		"-n --since 1d",
		"--keys -c file",
		"--report --since 1",
		"--report --since",
		"--rewrite message",
		"--try message",
		"--cancel id a b",
		"-f a",
		"--json",
		"--log-of",
		"--nothing",
		"-z",
		"--export --json",
	};
	struct invocation invocation;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (read_line(&invocation, lines[i]))
			fail_msg("%s is accepted", lines[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_whole),
		cmocka_unit_test(each_command_is_found_by_its_option),
		cmocka_unit_test(what_is_given_is_where_the_command_looks),
		cmocka_unit_test(what_does_not_go_together_is_refused),
	};

	return cmocka_run_group_tests_name("commands", tests, NULL, NULL);
}
