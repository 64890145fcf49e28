/* Bytes that grow up to a maximum. */
#include "buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct buffer buffer_with_maximum(size_t maximum)
{
	return (struct buffer){.maximum = maximum};
}

static bool reserve(struct buffer *buffer, size_t more)
{
	size_t needed, capacity = buffer->capacity > 0 ? buffer->capacity : 256;
	char *data;

	if (buffer->failed || more > buffer->maximum - buffer->length) {
		buffer->failed = true;
		return false;
	}
	needed = buffer->length + more + 1;
	if (needed <= buffer->capacity)
		return true;
	while (capacity < needed)
		capacity *= 2;
	data = realloc(buffer->data, capacity);
	if (!data) {
		buffer->failed = buffer->out_of_memory = true;
		return false;
	}
	buffer->data = data;
	buffer->capacity = capacity;
	return true;
}

void buffer_append(struct buffer *buffer, const char *data, size_t length)
{
	if (!reserve(buffer, length))
		return;
	if (length > 0)
		memcpy(buffer->data + buffer->length, data, length);
	buffer->length += length;
	buffer->data[buffer->length] = '\0';
}

void buffer_append_text(struct buffer *buffer, const char *text)
{
	buffer_append(buffer, text, strlen(text));
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
	va_list arguments;
	int needed;

	va_start(arguments, format);
	needed = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (needed < 0) {
		buffer->failed = buffer->out_of_memory = true;
		return;
	}
	if (!reserve(buffer, (size_t)needed))
		return;
	va_start(arguments, format);
	vsnprintf(buffer->data + buffer->length, (size_t)needed + 1, format, arguments);
	va_end(arguments);
	buffer->length += (size_t)needed;
}

struct span buffer_span(const struct buffer *buffer)
{
	return (struct span){buffer->data ? buffer->data : "", buffer->length};
}

void buffer_clear(struct buffer *buffer)
{
	buffer->length = 0;
	buffer->failed = buffer->out_of_memory = false;
	if (buffer->data)
		buffer->data[0] = '\0';
}

void buffer_free(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = buffer_with_maximum(buffer->maximum);
}
