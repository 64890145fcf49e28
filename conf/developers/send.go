// Cancels a Cronofy Smart Invite by mail: go run send.go HOST:PORT SENDER RECIPIENT INVITE_ID
package main

import (
	"fmt"
	"mime"
	"net/smtp"
	"os"
	"strings"
	"time"
)

// quoted puts the id in quotation marks, where it may hold any character.
func quoted(inviteID string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(inviteID) + `"`
}

func send(server, sender, recipient, inviteID string) error {
	message := strings.Join([]string{
		"From: " + sender,
		"To: " + recipient,
		"Subject: Your booking is cancelled",
		"Date: " + time.Now().Format(time.RFC1123Z),
		// Encodes (RFC 2047) if there is anything but ASCII in it.
		"X-Cancel-Invite: " + mime.QEncoding.Encode("utf-8", quoted(inviteID)),
		"",
		"Your booking is cancelled. We are sorry.",
		"",
	}, "\r\n")
	// nil: no login. SendMail waits as long as the server needs.
	return smtp.SendMail(server, nil, sender, []string{recipient}, []byte(message))
}

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: send HOST:PORT SENDER RECIPIENT INVITE_ID")
		os.Exit(1)
	}
	if err := send(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, "not sent:", err)
		os.Exit(1)
	}
}
