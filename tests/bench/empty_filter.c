/*
 * empty_filter: the emptiest filter that has the same conversation with the MTA as ours.
 *
 *	empty_filter SOCKET
 *
 * What it costs is libmilter's, the MTA's and the kernel's; what ours costs beyond it is ours. Its
 * steps, actions and macros must be those that filter.c negotiates on a unix socket.
 */
#include <libmilter/mfapi.h>
#include <stdio.h>
#include <sysexits.h>

#define ACTIONS                                                                                    \
	(SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_CHGBODY | SMFIF_QUARANTINE | SMFIF_SETSYMLIST)
#define STEPS                                                                                      \
	(SMFIP_NOHELO | SMFIP_NOUNKNOWN | SMFIP_NODATA | SMFIP_NR_CONN | SMFIP_NR_MAIL |           \
	 SMFIP_NR_RCPT | SMFIP_NR_HDR | SMFIP_HDR_LEADSPC | SMFIP_SKIP)

static sfsistat on_negotiate(SMFICTX *context, unsigned long actions, unsigned long steps,
			     unsigned long unused2, unsigned long unused3,
			     unsigned long *our_actions, unsigned long *our_steps,
			     unsigned long *our2, unsigned long *our3)
{
	static const struct {
		int stage;
		const char *names;
	} macros[] = {
		{SMFIM_CONNECT, "j {daemon_name}"},
		{SMFIM_ENVFROM, "{mail_addr} {auth_authen}"},
		{SMFIM_ENVRCPT, "i"},
		{SMFIM_DATA, "i"},
		{SMFIM_EOH, "i"},
		{SMFIM_EOM, "i"},
	};

	(void)unused2;
	(void)unused3;
	for (size_t i = 0; i < sizeof(macros) / sizeof(macros[0]); i++)
		if (smfi_setsymlist(context, macros[i].stage, (char *)macros[i].names) !=
		    MI_SUCCESS)
			return SMFIS_TEMPFAIL;
	*our_actions = actions & ACTIONS;
	*our_steps = steps & STEPS;
	*our2 = 0;
	*our3 = 0;
	return SMFIS_CONTINUE;
}

static sfsistat on_connect(SMFICTX *context, char *host, _SOCK_ADDR *address)
{
	(void)context;
	(void)host;
	(void)address;
	return SMFIS_NOREPLY;
}

static sfsistat on_address(SMFICTX *context, char **arguments)
{
	(void)context;
	(void)arguments;
	return SMFIS_NOREPLY;
}

static sfsistat on_header(SMFICTX *context, char *name, char *value)
{
	(void)context;
	(void)name;
	(void)value;
	return SMFIS_NOREPLY;
}

static sfsistat on_end_of_headers(SMFICTX *context)
{
	(void)context;
	return SMFIS_ACCEPT;
}

int main(int count, char **arguments)
{
	struct smfiDesc description = {
		.xxfi_name = "empty_filter",
		.xxfi_version = SMFI_VERSION,
		.xxfi_flags = ACTIONS,
		.xxfi_negotiate = on_negotiate,
		.xxfi_connect = on_connect,
		.xxfi_envfrom = on_address,
		.xxfi_envrcpt = on_address,
		.xxfi_header = on_header,
		.xxfi_eoh = on_end_of_headers,
	};

	if (count != 2) {
		fputs("usage: empty_filter SOCKET\n", stderr);
		return EX_USAGE;
	}
	if (smfi_register(description) != MI_SUCCESS || smfi_setconn(arguments[1]) != MI_SUCCESS ||
	    smfi_opensocket(1) != MI_SUCCESS)
		return EX_UNAVAILABLE;
	return smfi_main() == MI_SUCCESS ? EX_OK : EX_SOFTWARE;
}
