// Cancels a Cronofy Smart Invite by mail:
//   java -cp /usr/share/java/jakarta-mail.jar:/usr/share/java/jakarta-activation.jar \
//       Send.java HOST:PORT SENDER RECIPIENT INVITE_ID

import jakarta.mail.Message;
import jakarta.mail.MessagingException;
import jakarta.mail.Session;
import jakarta.mail.Transport;
import jakarta.mail.internet.InternetAddress;
import jakarta.mail.internet.MimeMessage;
import jakarta.mail.internet.MimeUtility;
import java.io.UnsupportedEncodingException;
import java.util.Date;
import java.util.Properties;

public class Send {
    private static final String HEADER = "X-Cancel-Invite";

    /** In quotation marks the id may hold any character; encoded, any language's. */
    static String headerValue(String inviteId) throws UnsupportedEncodingException {
        String quoted = '"' + inviteId.replaceAll("[\\\\\"]", "\\\\$0") + '"';
        return MimeUtility.fold(HEADER.length() + 2, MimeUtility.encodeText(quoted, "UTF-8", null));
    }

    static void send(String server, String sender, String recipient, String inviteId)
            throws MessagingException, UnsupportedEncodingException {
        int colon = server.lastIndexOf(':');
        Properties properties = new Properties();
        properties.put("mail.smtp.host", server.substring(0, colon));
        properties.put("mail.smtp.port", server.substring(colon + 1));
        properties.put("mail.smtp.from", sender);
        properties.put("mail.smtp.timeout", "600000"); // milliseconds

        MimeMessage message = new MimeMessage(Session.getInstance(properties));
        message.setFrom(new InternetAddress(sender));
        message.setRecipient(Message.RecipientType.TO, new InternetAddress(recipient));
        message.setSubject("Your booking is cancelled", "UTF-8");
        message.setSentDate(new Date());
        message.setHeader(HEADER, headerValue(inviteId));
        message.setText("Your booking is cancelled. We are sorry.\n", "UTF-8");
        Transport.send(message);
    }

    public static void main(String[] arguments) throws UnsupportedEncodingException {
        if (arguments.length != 4) {
            System.err.println("usage: Send HOST:PORT SENDER RECIPIENT INVITE_ID");
            System.exit(1);
        }
        try {
            send(arguments[0], arguments[1], arguments[2], arguments[3]);
        } catch (MessagingException trouble) {
            // What the server said may be in the exceptions behind the first.
            for (Exception each = trouble; each instanceof MessagingException;
                    each = ((MessagingException) each).getNextException())
                System.err.println("not sent: " + each.getMessage());
            System.exit(1);
        }
    }
}
