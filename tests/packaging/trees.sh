# trees.sh: whole Debian systems in folders, for tests/packaging. To be sourced; needs root.
#
# A tree is made once and kept in $bases; nothing is downloaded for one that is there:
#   SUITE          what debootstrap makes of a suite
#   SUITE-build    and what it takes to build the package
#   SUITE-mail     or with Postfix, and what the package depends on, but not the package

bases=${CIM_BASES:-$PWD/build/packaging}

# Where this machine's own apt gets Debian from: any suite of it is there.
mirror() {
	apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(COMPONENT) $(RELEASE)' \
		"Created-By: Packages" | awk '
		$2 == "Debian" && $3 == "main" && $4 !~ /-/ { print $1; exit }'
}

# /dev and /proc are mounted for this command alone, and nothing that it starts outlives it.
in_tree() { # FOLDER COMMAND...
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
		unshare --mount --pid --fork --kill-child sh -c '
			mount --rbind /dev "$1/dev" && mount -t proc proc "$1/proc" && exec chroot "$@"
		' sh "$@"
}

# Has $bases/NAME as MAKER makes it in the folder that it is given. It is made anew when what it is
# made of is not what it was. A rename is the last step, so nothing half made looks complete; one at
# a time, as several checkouts may share $bases.
tree() { # NAME MADE_OF MAKER...
	local name=$1 made_of=$2
	shift 2
	mkdir -p "$bases"
	(
		flock 9
		[ "$(cat "$bases/$name.made-of" 2>/dev/null)" != "$made_of" ] || exit 0
		echo "making the Debian \"$name\"; it is kept in $bases" >&2
		rm -rf --one-file-system "$bases/.$name" "$bases/$name" "$bases/$name.made-of"
		"$@" "$bases/.$name" >"$bases/$name.log" 2>&1 || { tail -30 "$bases/$name.log" >&2; exit 1; }
		mv "$bases/.$name" "$bases/$name"
		echo "$made_of" >"$bases/$name.made-of"
	) 9>"$bases/$name.lock"
}

make_minimal() { # SUITE FOLDER
	local from
	from=$(mirror)
	[ -n "$from" ] || { echo "apt knows no mirror of Debian"; return 1; }
	debootstrap --variant=minbase "$1" "$2" "$from" && in_tree "$2" apt-get -q update
}

make_with() { # SUITE PACKAGES FOLDER
	cp -a "$bases/$1" "$3" && cp /etc/resolv.conf "$3/etc/resolv.conf" || return
	echo "postfix postfix/main_mailer_type select Local only" | in_tree "$3" debconf-set-selections
	# shellcheck disable=SC2086
	in_tree "$3" apt-get -q -y install --no-install-recommends $2 && in_tree "$3" apt-get clean
}

minimal_tree() { # SUITE
	tree "$1" "$1" make_minimal "$1"
}

tree_with() { # SUITE NAME PACKAGES
	minimal_tree "$1" && tree "$1-$2" "$(tr ' ' '\n' <<<"$3" | sort -u | xargs)" make_with "$1" "$3"
}

# A copy that may be changed: an overlay, which ends with our mount namespace, or a real copy.
copy_of_tree() { # NAME FOLDER
	mkdir -p "$2" "$2.upper" "$2.work"
	mount -t overlay overlay -o "lowerdir=$bases/$1,upperdir=$2.upper,workdir=$2.work" "$2" \
		2>/dev/null || cp -a --reflink=auto "$bases/$1/." "$2"
}
