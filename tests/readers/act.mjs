// A calendar with two events, which acts on mail as calendar programs do: postal-mime reads the mail,
// ical.js the calendar. On standard input one JSON object: {"events": {UID: text, ...}, "mails": [path, ...]};
// on standard output one line of JSON for each mail: which events are left, how many parts it acted on, and
// whether the attached file holds the same calendar.
import { readFileSync } from "node:fs";
import ICAL from "ical.js";
import PostalMime from "postal-mime";

const bytesOf = (attachment) => Buffer.from(attachment.content);

// RFC 5546, 3.2.5: CANCEL takes the event of that UID out, if it is not older than what is there.
function apply(calendar, text) {
	const component = new ICAL.Component(ICAL.parse(text));
	if (component.getFirstPropertyValue("method") !== "CANCEL") return;
	for (const event of component.getAllSubcomponents("vevent")) {
		const uid = event.getFirstPropertyValue("uid");
		const sequence = event.getFirstPropertyValue("sequence") ?? 0;
		if (uid in calendar && sequence >= calendar[uid]) delete calendar[uid];
	}
}

function sequences(events) {
	return Object.fromEntries(Object.entries(events).map(([uid, text]) => {
		const event = new ICAL.Component(ICAL.parse(text)).getFirstSubcomponent("vevent");
		if (event.getFirstPropertyValue("uid") !== uid) throw new Error(`not the event ${uid}`);
		return [uid, event.getFirstPropertyValue("sequence") ?? 0];
	}));
}

const { events, mails } = JSON.parse(readFileSync(0, "utf8"));
for (const path of mails) {
	const mail = await PostalMime.parse(readFileSync(path), { attachmentEncoding: "arraybuffer" });
	// As most programs: a part that says what to do. Without a method it is a file.
	const acting = mail.attachments.filter(
		(part) => part.mimeType === "text/calendar" && (part.method ?? "").toUpperCase() === "CANCEL");
	const files = mail.attachments.filter((part) => part.mimeType === "application/ics");
	const calendar = sequences(events);
	for (const part of acting) apply(calendar, bytesOf(part).toString("utf8"));
	console.log(JSON.stringify({
		left: Object.keys(calendar),
		acted: acting.length,
		sameFile: files.length === 1 && acting.length > 0 && bytesOf(files[0]).equals(bytesOf(acting[0])),
	}));
}
