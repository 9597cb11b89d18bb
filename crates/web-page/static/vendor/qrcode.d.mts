// The parts of the QR encoder that the page uses. Not served.

export declare function qrcode(
  type: number,
  level: "L" | "M" | "Q" | "H",
): {
  addData(data: string, mode: "Byte"): void;
  make(): void;
  getModuleCount(): number;
  isDark(row: number, column: number): boolean;
};
