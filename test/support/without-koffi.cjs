// `node --require` this: package koffi is as if it were not installed.
const Module = require("node:module");

const load = Module._load;
Module._load = (name, ...words) => {
  if (name !== "koffi") return load(name, ...words);
  throw Object.assign(new Error("Cannot find module 'koffi'"), { code: "MODULE_NOT_FOUND" });
};
