# What plain and booted are written in: one line for each thing that must be so.

failures=0

# must WHAT COMMAND...: is it so? Shows what the command said if it is not.
must() {
	local what=$1 said
	shift
	if said=$("$@" 2>&1); then
		echo "   ok $what"
	else
		failures=$((failures + 1))
		echo "FAILED $what: $*"
		echo "$said" | tail -15 | sed 's/^/       | /'
	fi
}

must_not() {
	local what=$1
	shift
	must "$what" fails "$@"
}

fails() { ! "$@"; }

# says TEXT COMMAND...: succeeds if the command's output, whatever its exit code, has the text.
says() {
	local text=$1 said
	shift
	said=$("$@" 2>&1 || true)
	printf '%s\n' "$said"
	[[ $said == *"$text"* ]]
}

exits() { # CODE COMMAND...
	local code=0 wanted=$1
	shift
	"$@" || code=$?
	[ "$code" -eq "$wanted" ]
}

is_mode() { # "MODE OWNER GROUP" PATH
	says "$1" stat -c '%a %U %G' "$2"
}

# Tries for a while.
soon() {
	local i
	for ((i = 0; i < 100; i++)); do
		"$@" && return
		sleep 0.1
	done
	return 1
}
