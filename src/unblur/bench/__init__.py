"""The workbench: methods measured side by side by named protocols, published tables as data, ablations and reports."""
