import { customAlphabet } from 'nanoid';

/** Digits and letters without the look-alikes 0 O o, 1 I l: 56 characters, so 12 of them carry 69.7 bits. */
const ALPHABET = '23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz';
const LENGTH = 12;

/** A new random pairing code, from the system's secure random source. */
export const createCode: () => string = customAlphabet(ALPHABET, LENGTH);
