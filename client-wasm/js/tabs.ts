// Entry of dist/tabs.js, which is loaded for the options shareTabs and ticketUrl.
export { share } from "./tabs/share.js";
