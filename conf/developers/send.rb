#!/usr/bin/env ruby
# Cancels a Cronofy Smart Invite by mail: send.rb HOST:PORT SENDER RECIPIENT INVITE_ID

require "mail"

# In quotation marks the id may hold any character.
def quoted(invite_id)
  %("#{invite_id.gsub(/[\\"]/) { |special| "\\#{special}" }}")
end

def send_mail(server, sender, recipient, invite_id)
  host, _, port = server.rpartition(":")
  mail = Mail.new(
    charset: "UTF-8",
    from: sender,
    to: recipient,
    subject: "Your booking is cancelled",
    body: "Your booking is cancelled. We are sorry.\n"
  )
  mail.header["X-Cancel-Invite"] = quoted(invite_id)
  mail.delivery_method :smtp, address: host, port: port.to_i, read_timeout: 600 # seconds
  mail.deliver!
end

abort "usage: send.rb HOST:PORT SENDER RECIPIENT INVITE_ID" unless ARGV.size == 4
begin
  send_mail(*ARGV)
rescue Net::SMTPError => refusal
  abort "refused: #{refusal.message}"
rescue SystemCallError, SocketError, IOError, Timeout::Error => trouble
  abort "not sent: #{trouble.message}"
end
