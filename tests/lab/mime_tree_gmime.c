/*
 * mime_tree_gmime: print the message on standard input as a tree of parts, as GMime reads it.
 *
 * mime_tree.py prints the same lines as Python's email package reads it; its comment describes
 * them. Exits 1 when GMime finds no message.
 */
#include <gmime/gmime.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A multipart without any delimiter: all of it is the prologue, whose line ends GMime makes LF. */
static void write_prologue(GMimeMultipart *multipart, GMimeStream *out)
{
	const char *prologue = g_mime_multipart_get_prologue(multipart);
	size_t length = prologue ? strlen(prologue) : 0;

	while (length > 0 && prologue[length - 1] == '\n')
		length--;
	if (length > 0)
		g_mime_stream_write(out, prologue, length);
}

/* The bytes of a leaf, its transfer encoding undone. */
static GByteArray *leaf_content(GMimeObject *entity)
{
	GMimeStream *memory = g_mime_stream_mem_new();
	GByteArray *bytes;

	g_mime_stream_mem_set_owner(GMIME_STREAM_MEM(memory), FALSE);
	if (GMIME_IS_MULTIPART(entity)) {
		write_prologue(GMIME_MULTIPART(entity), memory);
	} else if (GMIME_IS_PART(entity)) {
		GMimeDataWrapper *content = g_mime_part_get_content(GMIME_PART(entity));

		if (content)
			g_mime_data_wrapper_write_to_stream(content, memory);
	}
	bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(memory));
	g_object_unref(memory);
	return bytes;
}

static void print_content(GMimeObject *entity)
{
	GByteArray *bytes = leaf_content(entity);
	char *hash = g_compute_checksum_for_data(G_CHECKSUM_SHA256, bytes->data, bytes->len);

	printf(" %s %u", hash, bytes->len);
	g_free(hash);
	g_byte_array_free(bytes, TRUE);
}

static void print_type(GMimeObject *entity)
{
	GMimeContentType *type = g_mime_object_get_content_type(entity);
	char *name = g_mime_content_type_get_mime_type(type);
	char *small = g_ascii_strdown(name, -1);

	fputs(small, stdout);
	g_free(small);
	g_free(name);
}

static void print_method(GMimeObject *entity)
{
	const char *method = g_mime_object_get_content_type_parameter(entity, "method");

	if (method && *method) {
		char *capitals = g_ascii_strup(method, -1);

		printf(" method=%s", capitals);
		g_free(capitals);
	}
}

static void print_disposition(GMimeObject *entity)
{
	const char *disposition = g_mime_object_get_disposition(entity);

	if (disposition && *disposition) {
		char *small = g_ascii_strdown(disposition, -1);

		printf(" %s", small);
		g_free(small);
	}
}

static int child_count(GMimeObject *entity)
{
	if (GMIME_IS_MULTIPART(entity))
		return g_mime_multipart_get_count(GMIME_MULTIPART(entity));
	if (GMIME_IS_MESSAGE_PART(entity))
		return g_mime_message_part_get_message(GMIME_MESSAGE_PART(entity)) ? 1 : 0;
	return 0;
}

static GMimeObject *child(GMimeObject *entity, int number)
{
	if (GMIME_IS_MULTIPART(entity))
		return g_mime_multipart_get_part(GMIME_MULTIPART(entity), number);
	return g_mime_message_get_mime_part(
	    g_mime_message_part_get_message(GMIME_MESSAGE_PART(entity)));
}

static void print_tree(GMimeObject *entity, int depth)
{
	int count = child_count(entity);

	printf("%*s", 2 * depth, "");
	print_type(entity);
	print_method(entity);
	print_disposition(entity);
	if (count == 0)
		print_content(entity);
	putchar('\n');
	for (int i = 0; i < count; i++)
		print_tree(child(entity, i), depth + 1);
}

int main(void)
{
	GMimeStream *input;
	GMimeParser *parser;
	GMimeMessage *message;

	g_mime_init();
	input = g_mime_stream_pipe_new(STDIN_FILENO);
	parser = g_mime_parser_new_with_stream(input);
	message = g_mime_parser_construct_message(parser, NULL);
	if (!message || !g_mime_message_get_mime_part(message)) {
		fputs("mime_tree_gmime: no message on standard input\n", stderr);
		return 1;
	}
	print_tree(g_mime_message_get_mime_part(message), 0);
	g_object_unref(message);
	g_object_unref(parser);
	g_object_unref(input);
	g_mime_shutdown();
	return 0;
}
