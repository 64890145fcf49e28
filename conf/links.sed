# Links between the documents of a checkout become links between installed ones (make install).

# README.md
s!](conf/\(TROUBLESHOOTING\.md\|cancel-invite-milter\.conf\)!](\1!g
s!](conf/systemd/[^)]*/postfix-chroot\.conf\.example)!](examples/systemd/postfix-chroot.conf)!g
# What is installed elsewhere, or not at all, keeps its name and loses the link.
s!\[\([^]]*\)\](\(conf/\(man\|systemd\|debian\|bash-completion\)\|milter\|tests\)/[^)]*)!\1!g
s!\[\([^]]*\)\](CONTRIBUTING\.md)!\1!g
s!](conf/!](examples/!g

# conf/TROUBLESHOOTING.md
s!](\.\./README\.md!](README.md!g
s!](\([a-z]*/[^):]*\))!](examples/\1)!g
s!](examples/examples/!](examples/!g

# conf/developers/README.md
s!](\.\./TROUBLESHOOTING\.md!](../../TROUBLESHOOTING.md!g
