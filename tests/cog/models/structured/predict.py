"""Inputs with limits, lists, secrets and files; an output with files inside."""

import tempfile
from typing import List, Optional

from cog import BaseModel, BasePredictor, Input, Path, Secret


class Output(BaseModel):
    text: str
    score: float
    tags: List[str]
    file: Path
    files: List[Path]
    maybe: Optional[str] = None


class Predictor(BasePredictor):
    def predict(
        self,
        text: str = Input(description="Text", min_length=1, max_length=20, regex="^[a-z ]+$"),
        numbers: List[int] = Input(description="Numbers", default=[1, 2]),
        files: List[Path] = Input(description="Files", default=[]),
        token: Optional[Secret] = Input(description="A secret", default=None),
        k: int = Input(default=1, choices=[1, 2, 4]),
    ) -> Output:
        folder = Path(tempfile.mkdtemp())
        parts = []
        for number in range(2):
            part = folder / ("part%d.txt" % number)
            part.write_text("part %d of %s" % (number, text))
            parts.append(Path(part))
        one = folder / "one.json"
        one.write_text('{"n": %d}' % sum(numbers))
        tags = [str(number) for number in numbers] + [file.read_text() for file in files]
        return Output(text=text.upper(), score=sum(numbers) / 10.0, tags=tags, file=Path(one), files=parts)
