// Signs a payload as headquarters would: compact JWS, EdDSA. usage: sign.mjs KEY.pem JSON
// Written apart from the product's own signing, so that one test does not check itself.
import { createPrivateKey, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';

const [key, payload] = process.argv.slice(2);
const b64 = (x) => Buffer.from(x).toString('base64url');
const body = `${b64('{"alg":"EdDSA"}')}.${b64(payload)}`;
process.stdout.write(`${body}.${sign(null, Buffer.from(body), createPrivateKey(readFileSync(key))).toString('base64url')}`);
