#!/usr/bin/perl
# Cancels a Cronofy Smart Invite by mail: send.pl HOST:PORT SENDER RECIPIENT INVITE_ID
use strict;
use warnings;

use Email::MIME;
use Email::Sender::Simple qw(sendmail);
use Email::Sender::Transport::SMTP;
use Encode qw(decode);

# In quotation marks the id may hold any character.
sub quoted {
    my ($invite_id) = @_;
    $invite_id =~ s/([\\"])/\\$1/g;
    return qq("$invite_id");
}

die "usage: send.pl HOST:PORT SENDER RECIPIENT INVITE_ID\n" if @ARGV != 4;
my ($server, $sender, $recipient, $invite_id) = map { decode('UTF-8', $_) } @ARGV;
my ($host, $port) = $server =~ /^(.*):(\d+)$/ or die "no HOST:PORT: $server\n";

my $mail = Email::MIME->create(
    header_str => [
        From              => $sender,
        To                => $recipient,
        Subject           => 'Your booking is cancelled',
        'X-Cancel-Invite' => quoted($invite_id),
    ],
    attributes => { charset => 'UTF-8', encoding => 'quoted-printable' },
    body_str   => "Your booking is cancelled. We are sorry.\n",
);
my $smtp = Email::Sender::Transport::SMTP->new(
    host => $host, port => $port, timeout => 600);    # seconds

eval { sendmail($mail, { from => $sender, to => $recipient, transport => $smtp }); 1 } or do {
    my $failure = $@;
    die 'not sent: ', ref $failure ? ($failure->code // '') . ' ' . $failure->message : $failure,
        "\n";
};
