/** The same text without terminal colours. */
export const plain = (text) => text.replace(/\u001b\[[0-9;]*[A-Za-z]/g, "");
