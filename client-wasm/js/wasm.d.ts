// Where a runtime compiles modules before it starts, a module is imported.
declare module "*.wasm" {
  const module: object;
  export default module;
}
