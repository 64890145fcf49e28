// Cancels a Cronofy Smart Invite by mail: Send HOST:PORT SENDER RECIPIENT INVITE_ID
// For .NET as for Mono: mcs Send.cs && mono Send.exe ...

using System;
using System.Net.Mail;
using System.Text;

public static class Send
{
    /// <summary>In quotation marks the id may hold any character.</summary>
    static string Quoted(string inviteId)
    {
        return '"' + inviteId.Replace("\\", "\\\\").Replace("\"", "\\\"") + '"';
    }

    static void SendMail(string server, string sender, string recipient, string inviteId)
    {
        int colon = server.LastIndexOf(':');
        using (var message = new MailMessage(sender, recipient))
        using (var client = new SmtpClient(server.Substring(0, colon),
                                           int.Parse(server.Substring(colon + 1))))
        {
            message.HeadersEncoding = Encoding.UTF8;
            message.Headers.Add("X-Cancel-Invite", Quoted(inviteId));
            message.Subject = "Your booking is cancelled";
            message.Body = "Your booking is cancelled. We are sorry.\n";
            client.Timeout = 600000; // milliseconds
            client.Send(message);
        }
    }

    public static int Main(string[] arguments)
    {
        if (arguments.Length != 4)
        {
            Console.Error.WriteLine("usage: Send HOST:PORT SENDER RECIPIENT INVITE_ID");
            return 1;
        }
        try
        {
            SendMail(arguments[0], arguments[1], arguments[2], arguments[3]);
            return 0;
        }
        catch (SmtpException trouble)
        {
            Console.Error.WriteLine("not sent: " + (int)trouble.StatusCode + " " + trouble.Message);
            return 1;
        }
    }
}
