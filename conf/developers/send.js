#!/usr/bin/env node
// Cancels a Cronofy Smart Invite by mail: send.js HOST:PORT SENDER RECIPIENT INVITE_ID
"use strict";

const nodemailer = require("nodemailer");

// In quotation marks the id may hold any character.
const quoted = (inviteId) => `"${inviteId.replace(/[\\"]/g, "\\$&")}"`;

async function send(server, sender, recipient, inviteId) {
  const colon = server.lastIndexOf(":");
  const transport = nodemailer.createTransport({
    host: server.slice(0, colon),
    port: Number(server.slice(colon + 1)),
    socketTimeout: 600_000, // milliseconds
  });
  await transport.sendMail({
    from: sender,
    to: recipient,
    subject: "Your booking is cancelled",
    headers: { "X-Cancel-Invite": quoted(inviteId) },
    text: "Your booking is cancelled. We are sorry.\n",
  });
}

if (process.argv.length !== 6) {
  console.error("usage: send.js HOST:PORT SENDER RECIPIENT INVITE_ID");
  process.exit(1);
}
send(...process.argv.slice(2)).catch((error) => {
  console.error(error.response ? `refused: ${error.response}` : `not sent: ${error.message}`);
  process.exitCode = 1;
});
