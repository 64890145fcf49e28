/* invocation: the command line, read and checked by the table of commands. */
#include "invocation.h"

#include "config_value.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#define OPTIONS_MAXIMUM 64
#define LONG_OPTION     256 /* getopt_long() gives this and more for the rows of its tables */

/* ---- the options beside the commands ---- */

struct option_row {
	enum command_option bit;
	char letter; /* or */
	const char *name;
	const char *argument; /* NULL: none */
};

static const struct option_row options[] = {
	{COMMAND_CONFIG_FILE, 'c', NULL, "FILE"},  {COMMAND_SENDER, 'f', NULL, "SENDER"},
	{COMMAND_CALENDAR, 0, "calendar", "FILE"}, {COMMAND_ACCOUNT, 0, "account", "NAME"},
	{COMMAND_SINCE, 0, "since", "1d"},         {COMMAND_JSON, 0, "json", NULL},
};

#define OPTION_COUNT (sizeof(options) / sizeof(options[0]))

static void write_name(struct buffer *out, char letter, const char *name)
{
	if (letter)
		buffer_printf(out, "-%c", letter);
	if (letter && name)
		buffer_append_text(out, " | ");
	if (name)
		buffer_printf(out, "--%s", name);
}

/* ---- usage ---- */

static void write_option(struct buffer *out, const struct command *command,
			 const struct option_row *option)
{
	const bool required = command->required & option->bit;

	if (!(command->options & option->bit))
		return;
	buffer_append_text(out, required ? " " : " [");
	write_name(out, option->letter, option->name);
	if (option->argument)
		buffer_printf(out, " %s", option->argument);
	buffer_append_text(out, required ? "" : "]");
}

static void write_command(struct buffer *out, const struct command *command)
{
	static const char program[] = "cancel-invite-milter";

	buffer_printf(out, "%s %s", command == commands ? "usage:" : "      ", program);
	if (command->letter || command->name)
		buffer_append_text(out, " ");
	write_name(out, command->letter, command->name);
	if (command->argument)
		buffer_printf(out, " %s", command->argument);
	for (size_t i = 0; i < OPTION_COUNT; i++)
		write_option(out, command, &options[i]);
	if (command->operands)
		buffer_printf(out, " %s", command->operands);
	buffer_printf(out, "\n           %s\n", command->about);
}

void invocation_write_usage(struct buffer *out)
{
	for (size_t i = 0; i < command_count; i++)
		write_command(out, &commands[i]);
	buffer_append_text(out, "\nThe configuration is in " CONFIG_FILE ".\n");
}

/* What getopt_long() is told, made of both tables; row i of the second is OPTIONS behind the first. */
struct tables {
	char letters[2 * OPTIONS_MAXIMUM + 1];
	struct option names[OPTIONS_MAXIMUM];
};

static void add_to_tables(struct tables *tables, size_t *count, int row, char letter,
			  const char *name, bool takes_argument)
{
	const size_t length = strlen(tables->letters);

	if (letter)
		snprintf(tables->letters + length, sizeof(tables->letters) - length, "%c%s", letter,
			 takes_argument ? ":" : "");
	if (name && *count + 1 < OPTIONS_MAXIMUM)
		tables->names[(*count)++] =
			(struct option){name, takes_argument ? required_argument : no_argument,
					NULL, LONG_OPTION + row};
}

static struct tables make_tables(void)
{
	struct tables tables = {.letters = ""};
	size_t count = 0;

	for (size_t i = 0; i < command_count; i++)
		add_to_tables(&tables, &count, (int)i, commands[i].letter, commands[i].name,
			      commands[i].argument != NULL);
	for (size_t i = 0; i < OPTION_COUNT; i++)
		add_to_tables(&tables, &count, (int)(command_count + i), options[i].letter,
			      options[i].name, options[i].argument != NULL);
	return tables;
}

/* ---- complaints ---- */

static bool complain(struct buffer *text)
{
	fprintf(stderr, "cancel-invite-milter: %s; see --help\n",
		text->data && !text->failed ? text->data : "no memory");
	buffer_free(text);
	return false;
}

static struct buffer complaint(void)
{
	return buffer_with_maximum(1024);
}

static bool complain_of_operands(const struct command *command, int count)
{
	struct buffer text = complaint();

	if (count > command->most) {
		buffer_append_text(&text, "too many arguments");
	} else {
		write_name(&text, command->letter, command->name);
		buffer_printf(&text, " needs %s", command->operands);
	}
	return complain(&text);
}

static bool complain_of_argument(const struct command *command)
{
	struct buffer text = complaint();

	write_name(&text, command->letter, command->name);
	buffer_printf(&text, " needs %s", command->argument);
	return complain(&text);
}

/* "-f goes with --try" */
static bool complain_of_stray(const struct option_row *option)
{
	struct buffer text = complaint();
	const char *separator = " goes with ";

	write_name(&text, option->letter, option->name);
	for (size_t i = 0; i < command_count; i++) {
		if (!(commands[i].options & option->bit))
			continue;
		buffer_append_text(&text, separator);
		write_name(&text, commands[i].letter, commands[i].name);
		separator = ", ";
	}
	return complain(&text);
}

static bool complain_of_missing(const struct command *command, const struct option_row *option)
{
	struct buffer text = complaint();

	write_name(&text, command->letter, command->name);
	buffer_append_text(&text, " needs ");
	write_name(&text, option->letter, option->name);
	buffer_printf(&text, " %s", option->argument);
	return complain(&text);
}

static bool complain_of_text(const char *what)
{
	struct buffer text = complaint();

	buffer_append_text(&text, what);
	return complain(&text);
}

/* ---- reading ---- */

/* The row that getopt_long()'s value stands for, the options' behind the commands'. */
static size_t find_row(int value)
{
	if (value >= LONG_OPTION)
		return (size_t)(value - LONG_OPTION);
	for (size_t i = 0; i < command_count; i++)
		if (commands[i].letter == value)
			return i;
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (options[i].letter == value)
			return command_count + i;
	return command_count + OPTION_COUNT;
}

static bool take_option(struct invocation *invocation, const struct option_row *option)
{
	switch (option->bit) {
	case COMMAND_CONFIG_FILE:
		invocation->config_file = optarg;
		break;
	case COMMAND_SENDER:
		invocation->sender = optarg;
		break;
	case COMMAND_CALENDAR:
		invocation->calendar = optarg;
		break;
	case COMMAND_ACCOUNT:
		invocation->account = optarg;
		break;
	case COMMAND_SINCE:
		invocation->since = config_value_duration(optarg);
		if (invocation->since < 0)
			return complain_of_text("--since takes a duration such as 30m, 12h or 7d");
		break;
	case COMMAND_JSON:
		invocation->json = true;
		break;
	}
	return true;
}

static bool take_command(struct invocation *invocation, const struct command *command)
{
	if (invocation->command)
		return complain_of_text("one command at a time");
	invocation->command = command;
	invocation->argument = command->argument ? optarg : NULL;
	return !command->argument || optarg[0] || complain_of_argument(command);
}

/* Does what was given go with the command, and is all there that it must have? */
static bool check(const struct invocation *invocation, unsigned int given)
{
	const struct command *command = invocation->command;

	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (given & options[i].bit & ~command->options)
			return complain_of_stray(&options[i]);
		if (command->required & options[i].bit & ~given)
			return complain_of_missing(command, &options[i]);
	}
	if (invocation->operand_count < command->least || invocation->operand_count > command->most)
		return complain_of_operands(command, invocation->operand_count);
	return true;
}

bool invocation_read(struct invocation *invocation, int count, char **arguments)
{
	const struct tables tables = make_tables();
	unsigned int given = 0;
	int value;

	*invocation = (struct invocation){.config_file = CONFIG_FILE, .since = -1};
	while ((value = getopt_long(count, arguments, tables.letters, tables.names, NULL)) != -1) {
		const size_t row = find_row(value);

		if (row >= command_count + OPTION_COUNT) /* getopt_long() said what is wrong */
			return complain_of_text("wrong options");
		if (row < command_count) {
			if (!take_command(invocation, &commands[row]))
				return false;
			continue;
		}
		given |= options[row - command_count].bit;
		if (!take_option(invocation, &options[row - command_count]))
			return false;
	}
	if (!invocation->command)
		invocation->command = &commands[0];
	invocation->operands = arguments + optind;
	invocation->operand_count = count - optind;
	return check(invocation, given);
}
