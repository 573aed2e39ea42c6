// The type of an imported module, for runtimes that compile modules before they start.
declare module "*.wasm" {
  const module: object;
  export default module;
}
