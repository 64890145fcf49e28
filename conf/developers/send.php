#!/usr/bin/env php
<?php
// Cancels a Cronofy Smart Invite by mail: send.php HOST:PORT SENDER RECIPIENT INVITE_ID

use PHPMailer\PHPMailer\Exception;
use PHPMailer\PHPMailer\PHPMailer;

require_once 'libphp-phpmailer/autoload.php'; // Debian's; with Composer: vendor/autoload.php

/** In quotation marks the id may hold any character. */
function quoted(string $inviteId): string
{
    return '"' . addcslashes($inviteId, '\\"') . '"';
}

function cancellation(string $server, string $sender, string $recipient, string $inviteId): PHPMailer
{
    $colon = strrpos($server, ':');
    $mail = new PHPMailer(true); // throws when something goes wrong
    $mail->isSMTP();
    $mail->Host = substr($server, 0, $colon);
    $mail->Port = (int) substr($server, $colon + 1);
    $mail->Timeout = 600; // seconds
    $mail->getSMTPInstance()->Timelimit = 600;
    $mail->CharSet = PHPMailer::CHARSET_UTF8;
    $mail->setFrom($sender);
    $mail->addAddress($recipient);
    $mail->Subject = 'Your booking is cancelled';
    $mail->addCustomHeader('X-Cancel-Invite', quoted($inviteId));
    $mail->Body = "Your booking is cancelled. We are sorry.\n";
    return $mail;
}

if ($argc !== 5) {
    fwrite(STDERR, "usage: send.php HOST:PORT SENDER RECIPIENT INVITE_ID\n");
    exit(1);
}
$mail = cancellation(...array_slice($argv, 1));
try {
    $mail->send();
} catch (Exception $trouble) {
    // The exception only says that it went wrong; ErrorInfo has what the server said.
    fwrite(STDERR, "not sent: {$mail->ErrorInfo}\n");
    exit(1);
}
