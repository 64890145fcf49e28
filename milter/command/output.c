/* output: what a command prints, and says. */
#include "output.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

int output_complain(int exit_code, const char *text)
{
	fprintf(stderr, "cancel-invite-milter: %s\n", text);
	return exit_code;
}

bool output_write(void *stream, const char *data, size_t length)
{
	return fwrite(data, 1, length, stream) == length;
}

int output_finish(void)
{
	return fflush(stdout) == 0 && !ferror(stdout)
		       ? EX_OK
		       : output_complain(EX_IOERR, "cannot write the result");
}

int output_text(const char *text)
{
	output_write(stdout, text, strlen(text));
	return output_finish();
}

int output_buffer(struct buffer *text)
{
	int exit_code;

	if (text->failed) {
		exit_code = output_complain(EX_OSERR, "no memory");
	} else {
		output_write(stdout, text->data, text->length);
		exit_code = output_finish();
	}
	buffer_free(text);
	return exit_code;
}

void output_findings(const struct calendar *calendar)
{
	if (calendar->warning.text[0])
		fprintf(stderr, "warning: %s\n", calendar->warning.text);
	if (calendar->mended.text[0])
		fprintf(stderr, "mended: %s\n", calendar->mended.text);
}
