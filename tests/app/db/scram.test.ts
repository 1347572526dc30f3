import assert from "node:assert/strict";
import { scramVerifier } from "../../../app/src/db/scram";

describe("A14 what Postgres keeps of a password", () => {
  it("A14 is made as in RFC 7677: the password and salt of its example", async () => {
    const salt = Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64");
    assert.equal(
      await scramVerifier("pencil", salt),
      "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    );
  });

  it("A14 is another one each time, and never holds the password", async () => {
    const [first, second] = await Promise.all([scramVerifier("correct horse"), scramVerifier("correct horse")]);
    assert.notEqual(first, second);
    assert.match(first, /^SCRAM-SHA-256\$4096:[A-Za-z0-9+/]{22}==\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}=$/);
  });
});
