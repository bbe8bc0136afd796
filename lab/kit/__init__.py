"""What tests are made with; README.md says what each helper is for."""
